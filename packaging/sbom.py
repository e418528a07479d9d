#!/usr/bin/env python3
"""sbom.py VERSION COMMIT EPOCH FILE...: prints what the executables are made of, as SPDX 2.3 (JSON).

NuGet packages and their versions come from the lock files; glibc's and libgcc's are those of this machine, which links them in.
FILES are the executables.
"""
import datetime
import hashlib
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LICENSES = {"PacketDotNet": ("MPL-2.0", "Chris Morgan and others"), "Tmds.LibC": ("MIT", "Tom Deseyn"),
            "System.CommandLine": ("MIT", "Microsoft Corporation")}
DOTNET = ("MIT", ".NET Foundation and Contributors")


def package(name: str, version: str, license: str, copyright: str, location: str, purl: str = "", comment: str = "") -> dict:
    entry = {
        "SPDXID": "SPDXRef-" + "".join(c if c.isalnum() or c in ".-" else "-" for c in f"{name}-{version}"),
        "name": name, "versionInfo": version, "downloadLocation": location, "filesAnalyzed": False,
        "licenseConcluded": license, "licenseDeclared": license, "copyrightText": "Copyright " + copyright,
    }
    if purl:
        entry["externalRefs"] = [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}]
    if comment:
        entry["comment"] = comment
    return entry


def nuget_packages() -> list[dict]:
    found = {}
    for lock in sorted((ROOT / "src/ConnMgr").glob("packages.linux-*.lock.json")):
        for group in json.loads(lock.read_text())["dependencies"].values():
            for name, entry in group.items():
                found[name] = entry
    packages = []
    for name, entry in sorted(found.items()):
        version = entry["resolved"]
        # Its first three parts are the runtime's version: the packs with the runtime's libraries are no packages in the lock file.
        license, copyright = LICENSES.get(name, DOTNET)
        packages.append(package(name, version, license, copyright, f"https://www.nuget.org/api/v2/package/{name}/{version}",
                                f"pkg:nuget/{name}@{version}", "NuGet content hash (SHA-512, base64): " + entry["contentHash"]))
    runtime = found["Microsoft.DotNet.ILCompiler"]["resolved"]
    for rid in ("linux-x64", "linux-arm64"):
        name = f"Microsoft.NETCore.App.Runtime.NativeAOT.{rid}"
        packages.append(package(name, runtime, *DOTNET, f"https://www.nuget.org/api/v2/package/{name}/{runtime}", f"pkg:nuget/{name}@{runtime}",
                                "The .NET runtime and class library that are linked in."))
    return packages


def debian_packages() -> list[dict]:
    """libc and libgcc, of those that the build machine has."""
    packages = []
    for pattern, source, license, copyright in (
            ("libc6-dev", "glibc", "LGPL-2.1-or-later", "Free Software Foundation, Inc."),
            ("libc6-dev-*-cross", "glibc", "LGPL-2.1-or-later", "Free Software Foundation, Inc."),
            ("libgcc-[0-9]*-dev", "libgcc", "GPL-3.0-or-later WITH GCC-exception-3.1", "Free Software Foundation, Inc."),
            ("libgcc-[0-9]*-dev-*-cross", "libgcc", "GPL-3.0-or-later WITH GCC-exception-3.1", "Free Software Foundation, Inc.")):
        listed = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Status}\n", pattern],
                                capture_output=True, text=True, check=False).stdout
        for line in sorted(listed.splitlines()):
            name, _, rest = line.partition(" ")
            version, _, status = rest.partition(" ")
            if status == "installed" and "armhf" not in name:
                packages.append(package(name, version, license, copyright, f"https://packages.debian.org/{name}", f"pkg:deb/debian/{name}@{version}",
                                        f"{source}, linked statically"))
    return packages


def main() -> None:
    version, commit, epoch, *files = sys.argv[1:]
    product = package("connmgr", version, "MIT", "2026 the connmgr authors", "NOASSERTION", "", f"Commit {commit}")
    parts = nuget_packages() + debian_packages()
    listed = [{"SPDXID": f"SPDXRef-File-{number}", "fileName": "./" + file.split("artifacts/")[-1],
               "checksums": [{"algorithm": name.upper(), "checksumValue": hashlib.new(name, Path(file).read_bytes()).hexdigest()}
                             for name in ("sha1", "sha256")],
               "licenseConcluded": "MIT AND LGPL-2.1-or-later AND MPL-2.0", "copyrightText": "NOASSERTION"}
              for number, file in enumerate(files, 1)]
    tools = {"Microsoft.DotNet.ILCompiler", "Microsoft.NET.ILLink.Tasks"}
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", product["SPDXID"])]
    for part in parts:
        is_tool = part["name"] in tools or part["name"].startswith("runtime.")
        relations.append((part["SPDXID"], "BUILD_TOOL_OF", product["SPDXID"]) if is_tool else (product["SPDXID"], "STATIC_LINK", part["SPDXID"]))
    relations += [(product["SPDXID"], "CONTAINS", file["SPDXID"]) for file in listed]
    json.dump({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"connmgr-{version}",
        "documentNamespace": f"https://spdx.org/spdxdocs/connmgr-{version}-{commit}",
        "creationInfo": {"created": datetime.datetime.fromtimestamp(int(epoch), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                         "creators": ["Organization: the connmgr authors", f"Tool: sbom.py-{version}"]},
        "packages": [product, *parts], "files": listed,
        "relationships": [{"spdxElementId": a, "relationshipType": kind, "relatedSpdxElement": b} for a, kind, b in relations],
    }, sys.stdout, indent=1)
    print()


main()
