# shellcheck shell=sh disable=SC2154 # sourced by run.sh
# Manual pages and completions, made from a --help: that of the executable, if it is built, and one written
# for the test, with every possible element.

# made PROGRAM
made() { "$repo/packaging/manuals.py" "$1" "$work" 1.2.3 2026-01-31; }
page_has() { grep -qF -- "$1" "$work/man/connmgr.8"; }
cat >"$work/connmgr" <<'END'
#!/bin/sh
case $1 in
    status) printf 'Description:\n  say how it is (or not)\n\nUsage:\n  connmgr status [<LINK>] [options]\n\nArguments:\n  <LINK>  only this link\n\nOptions:\n  --json           as JSON, it'"'"'s [plain]\n  -?, -h, --help   Show help\n\nExit status:\n  0   it is well\n' ;;
    *) printf 'Description:\n  Keeps a gateway connected.\n\nUsage:\n  connmgr [command] [options]\n\nOptions:\n  -d, --disable-firewall      no firewall\n  --dns <hold|sniff|auto>     how replies are read [default: auto]\n  --run-dir <DIR>             where it keeps things\n  -?, -h, --help              Show help\n\nCommands:\n  status <LINK>  say how it is\n' ;;
esac
END
chmod +x "$work/connmgr"
check "manuals: from a --help of our own" made "$work/connmgr"
check "manuals: an option with its value and default" page_has '\fB\-\-dns\fP \fIhold|sniff|auto\fP'
check "manuals: its default" page_has 'Default: auto.'
check "manuals: a description is a sentence" page_has 'Say how it is (or not).'
check "manuals: a verb with its argument" page_has '.SS connmgr status [<LINK>] [options]'
check "manuals: an exit status" grep -qxF '\fB0\fP' "$work/man/connmgr.8"
check "manuals: its meaning" grep -qx 'It is well\.' "$work/man/connmgr.8"
check "manuals: version and date" page_has '"2026-01-31" "connmgr 1.2.3"'
check "manuals: a program without verbs is refused" not sh -c "printf '#!/bin/sh\n' >'$work/connmgr'; '$repo/packaging/manuals.py' '$work/connmgr' '$work' 1 2"

built=$repo/artifacts/linux-$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')/connmgr
if [ -x "$built" ]; then
    rm -rf "$work/man" "$work/completions"
    check "manuals: from the executable's --help" made "$built"
    # Every option and verb that it prints is in the page, and in each completion.
    "$built" --help | sed -n 's/^  \(-[^<]*\).*/\1/p' | grep -oE -- '--[a-z][a-z-]*' | sort -u >"$work/options"
    "$built" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\).*/\1/p' >"$work/verbs"
    check "manuals: there are options and verbs" sh -c "[ \$(wc -l <'$work/options') -gt 15 ] && [ \$(wc -l <'$work/verbs') -ge 5 ]"
    check "manuals: the page has every option" test "$(sed 's/-/\\-/g' "$work/options" | while read -r option; do page_has "${option#??}" || echo "$option"; done)" = ''
    check "manuals: and every verb" test "$(sed 's/-/\\-/g' "$work/verbs" | while read -r verb; do page_has ".SS connmgr $verb" || echo "$verb"; done)" = ''
    for file in connmgr.bash _connmgr connmgr.fish; do
        check "completions: $file has every option and verb" test "$(sed 's/^--//' "$work/options" | cat - "$work/verbs" | while read -r word; do
            grep -qF -- "$word" "$work/completions/$file" || echo "$word"; done)" = ''
    done
fi
if command -v man >/dev/null && command -v groff >/dev/null; then
    for page in "$work"/man/*; do
        check "manuals: ${page##*/} has no mistake" test "$(LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)" = ''
    done
fi

# Prints bash's completions for a command line.
bash_completes() {
    bash -c '. "$1"; shift; COMP_WORDS=(connmgr "$@"); COMP_CWORD=$#; _connmgr; echo "${COMPREPLY[*]}"' _ "$work/completions/connmgr.bash" "$@"
}
if [ -x "$built" ]; then
    check "completions: bash: a verb" test "$(bash_completes stat)" = status
    check "completions: bash: an option of a verb" test "$(bash_completes status --js)" = --json
    check "completions: bash: the words of an option" test "$(bash_completes --dns h)" = hold
    : >"$work/upstream.servers"
    check "completions: bash: a word with a hyphen" test "$(bash_completes --on-firewall-failure man)" = manage-links
    check "completions: bash: a word beside a FILE" test "$(bash_completes --resolv-conf au)" = auto
    check "completions: bash: a FILE beside words" test "$(bash_completes --resolv-conf "$work/upst")" = "$work/upstream.servers"
    check "completions: bash: a word beside addresses" test "$(bash_completes --dns-servers an)" = any
    check "completions: bash: a directory" test "$(bash_completes --run-dir "$work/complet")" = "$work/completions"
    if command -v zsh >/dev/null; then
        check "completions: zsh reads its file" zsh -n "$work/completions/_connmgr"
        # zsh_completes LINE: types the line and a TAB in a terminal of zsh, and prints what the line becomes.
        zsh_completes() {
            cat >"$work/play.zsh" <<'END'
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -d $2; cd $2.d; bindkey '^X' beep; print rea''dy"
zpty -r shell line '*ready*'
zpty -w -n shell "connmgr $3"$'\t\x01print -r -- "[[\x05]]"\n'
zpty -r shell line '*\[\[connmgr*\]\]*'
print -r -- "$line"
zpty -d shell
END
            mkdir -p "$work/dump.d"
            timeout 30 zsh -f "$work/play.zsh" "$work/completions" "$work/dump" "$1"
        }
        zsh_gives() { zsh_completes "$1" | tr -d '\r' | grep -qF -- "[[connmgr $2"; }
        check "completions: zsh: an option of a verb" zsh_gives 'status --js' 'status --json'
        check "completions: zsh: a verb with a hyphen" zsh_gives wait wait-online
        check "completions: zsh: a word with a hyphen" zsh_gives '--on-firewall-failure man' '--on-firewall-failure manage-links'
        check "completions: zsh: a word beside a FILE" zsh_gives '--resolv-conf au' '--resolv-conf auto'
        check "completions: zsh: a FILE beside words" zsh_gives "--resolv-conf $work/upst" "--resolv-conf $work/upstream.servers"
    else
        echo "skip - completions: there is no zsh"
    fi
    if command -v fish >/dev/null; then
        # fish_gives LINE WORD
        fish_gives() {
            XDG_CONFIG_HOME=$work XDG_DATA_HOME=$work HOME=$work fish -c "source $work/completions/connmgr.fish; complete -C \"connmgr $1\"" |
                grep -qE "^$2(\$|[[:space:]])"
        }
        check "completions: fish: a verb" fish_gives stat status
        check "completions: fish: an option of a verb" fish_gives 'status --js' --json
        check "completions: fish: a verb with a hyphen" fish_gives wait wait-online
        check "completions: fish: a word with a hyphen" fish_gives '--on-firewall-failure man' manage-links
        check "completions: fish: a word beside a FILE" fish_gives '--resolv-conf au' auto
        check "completions: fish: a FILE beside words" fish_gives "--resolv-conf $work/upst" "$work/upstream.servers"
    else
        echo "skip - completions: there is no fish"
    fi
fi
