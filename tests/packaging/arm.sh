# shellcheck shell=sh disable=SC2154 # sourced by run.sh
# build.sh linux-arm where no package source has its compiler: it says which package is missing, and which CPUs can run the result.
# The only source is an empty directory, so nothing is fetched; the tree is a copy, so nothing in this one changes.

arm_pack=runtime.linux-arm.Microsoft.DotNet.ILCompiler
mkdir -p "$work/tree" "$work/bin" "$work/source"
(cd "$repo" && cp -R build.sh global.json Directory.Packages.props VERSION native src "$work/tree")
find "$work/tree/src" -type d \( -name obj -o -name bin \) -prune -exec rm -rf {} +
# The C compiler for Arm need not be installed: the build ends before it links.
for tool in gcc ar objcopy; do ln -s "$(command -v $tool)" "$work/bin/arm-linux-gnueabihf-$tool"; done

if [ -e "${NUGET_PACKAGES:-$HOME/.nuget/packages}/$(echo $arm_pack | tr '[:upper:]' '[:lower:]')" ]; then
    echo "skip - linux-arm: its compiler is on this machine"
else
    PATH="$work/bin:$PATH" RestoreSources=$work/source NuGetAudit=false \
        "$work/tree/build.sh" linux-arm >"$work/said" 2>&1 && status=0 || status=$?
    check "linux-arm without its compiler: the build fails" test "$status" = 1
    check "linux-arm: NuGet's error is shown" grep -q "NU110[12].* $arm_pack" "$work/said"
    check "linux-arm: the package, and where it is" says "linux-arm needs the NuGet package $arm_pack"
    check "linux-arm: nuget.org has it" says 'nuget.org has it since .NET 9; add a source that does'
    check "linux-arm: the CPUs" says 'only on CPUs with VFPv3-D32 or NEON (not SAMA5D3): see docs/replacing-the-original.md'
    check "linux-arm: there is no executable" test ! -e "$work/tree/artifacts/linux-arm/connmgr"
fi

# Another platform gets no such advice.
"$work/tree/build.sh" linux-mips >"$work/said" 2>&1 && status=0 || status=$?
check "an unknown platform: 64" test "$status" = 64
check "an unknown platform: the known ones" says "unknown RID 'linux-mips' (linux-x64, linux-arm64, linux-arm)"
