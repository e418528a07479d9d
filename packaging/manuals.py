#!/usr/bin/env python3
"""manuals.py CONNMGR OUT VERSION DATE: writes the manual pages (OUT/man) and the completions of bash, zsh and fish (OUT/completions).

Options, verbs and their descriptions are those that `CONNMGR --help` and `CONNMGR VERB --help` print, so that the manual
cannot differ from the program. What they do not say is in man/*.in.
"""
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Option:
    """One option: its names, what follows it (empty: nothing), and what it is for."""
    names: list[str]
    value: str
    text: str

    @property
    def choices(self) -> list[str]:
        """The words that it takes, perhaps beside other values: <hold|sniff|auto>, <off|auto|FILE>."""
        return [word for word in self.value.split("|") if re.fullmatch(r"[a-z]+(-[a-z]+)*", word)]

    @property
    def kind(self) -> str:
        parts = self.value.split("|")
        return "directory" if "DIR" in parts else "file" if "PATH" in parts or "FILE" in parts else ""


@dataclass
class Help:
    description: str = ""
    usage: str = ""
    arguments: list[tuple[str, str]] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)
    verbs: list[tuple[str, str]] = field(default_factory=list)
    other: list[tuple[str, list[str]]] = field(default_factory=list)


def read_help(program: str, *verb: str) -> Help:
    text = subprocess.run([program, *verb, "--help"], check=True, capture_output=True, text=True,
                          env={"PATH": os.environ["PATH"], "LC_ALL": "C", "COLUMNS": "400"}).stdout
    sections: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        heading = re.fullmatch(r"(\S[^:]*):", line)
        if heading:
            name = heading[1]
            sections[name] = []
        elif line.strip():
            sections.setdefault(name, []).append(line.strip())

    help = Help(" ".join(sections.pop("Description", [])), " ".join(sections.pop("Usage", [])))
    columns = [re.split(r"\s{2,}", line, maxsplit=1) + [""] for line in sections.pop("Options", [])]
    for left, text, *_ in columns:
        value = re.search(r"<(.*)>$", left)
        names = [name for name in re.sub(r"<.*>$", "", left).replace(",", " ").split() if name != "-?"]
        help.options.append(Option(names, value[1] if value else "", text))
    help.arguments = [(row[0].strip("<>[]"), row[1]) for row in
                      (re.split(r"\s{2,}", line, maxsplit=1) + [""] for line in sections.pop("Arguments", []))]
    for left, text, *_ in (re.split(r"\s{2,}", line, maxsplit=1) + [""] for line in sections.pop("Commands", [])):
        help.verbs.append((left.split()[0], text))
    help.other = list(sections.items())
    return help


# -- manual pages ---------------------------------------------------------------------------------------------------

def roff(text: str) -> str:
    """Text as a roff source line has it: what is special to roff is escaped."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in (".", "'") else text


def sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "]")) else text + "."


def man_option(option: Option) -> str:
    value = f" \\fI{roff(option.value)}\\fP" if option.value else ""
    names = ", ".join(f"\\fB{roff(name)}\\fP{value if name == option.names[-1] else ''}" for name in option.names)
    text, default = option.text, ""
    found = re.search(r"\s*\[default: (.*)\]$", text)
    if found:
        text, default = text[:found.start()], f"\nDefault: {roff(found[1])}."
    return f".TP\n{names}\n{roff(sentence(text))}{default}\n"


def is_common(option: Option) -> bool:
    """Those that every verb has are described once."""
    return "--help" in option.names or "--version" in option.names


def man_other(line: str) -> str:
    """A line of another section: an exit status with its meaning, or words."""
    status = re.fullmatch(r"(\d+)\s+(.*)", line)
    return f".TP 4\n\\fB{status[1]}\\fP\n{roff(sentence(status[2]))}\n" if status else f".br\n{roff(line)}\n"


def man_verbs(main: Help, verbs: dict[str, tuple[str, Help]]) -> str:
    lines = []
    for verb, (text, help) in verbs.items():
        usage = re.sub(r"^connmgr\s+\S+\s*", "", help.usage)
        lines.append(f".SS {roff(f'connmgr {verb} {usage}'.strip())}\n{roff(sentence(help.description or text))}\n")
        for name, about in help.arguments:
            lines.append(f".TP\n\\fI{roff(name)}\\fP\n{roff(sentence(about)) if about else chr(92) + '&'}\n")
        own = [option for option in help.options if not is_common(option)]
        if own and own == [option for option in main.options if not is_common(option)]:
            lines.append(".PP\nIts options are those of the daemon.\n")
        else:
            lines.extend(man_option(option) for option in own)
        for name, rest in help.other:
            lines.append(f".PP\n{roff(name)}:\n.PD 0\n")
            lines.extend(man_other(line) for line in rest)
            lines.append(".PD\n")
    return "".join(lines)


# -- completions ----------------------------------------------------------------------------------------------------

def words(options: list[Option]) -> str:
    return " ".join(name for option in options for name in option.names)


def bash(main: Help, verbs: dict[str, tuple[str, Help]]) -> str:
    every = {name: option for help in [main, *(help for _, help in verbs.values())]
             for option in help.options for name in option.names if option.value}
    values = ""
    for name, option in sorted(every.items()):
        what = {"directory": " -d", "file": " -f"}.get(option.kind, "") + (f" -W '{' '.join(option.choices)}'" if option.choices else "")
        reply = f"COMPREPLY=($(compgen{what} -- \"$word\")); " if what else ""
        values += f"        {name}) {reply}return ;;\n"
    cases = "".join(f"        {verb}) words='{words(help.options)}' ;;\n" for verb, (_, help) in verbs.items())
    return f"""# bash completion of connmgr, made from its --help
_connmgr() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}} words
    case $previous in
{values}    esac
    case ${{COMP_WORDS[1]}} in
{cases}        *)
            words='{words(main.options)}'
            [ "$COMP_CWORD" != 1 ] || words="$words {' '.join(verbs)}" ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -F _connmgr connmgr
"""


def zsh_text(text: str) -> str:
    return re.sub(r"([\[\]:\\])", r"\\\1", text).replace("'", "'\\''")


def zsh_options(options: list[Option]) -> str:
    lines = []
    for option in options:
        value = ""
        if option.value:
            files = {"directory": "_files -/", "file": "_files"}.get(option.kind, "")
            choices = " ".join(option.choices)
            action = f"{{compadd {choices}; {files}}}" if files and choices else files or (f"({choices})" if choices else " ")
            value = f":{zsh_text(option.value)}:{action}"
        for name in option.names:
            lines.append(f"'{name}[{zsh_text(option.text)}]{value}'")
    return " \\\n                ".join(lines)


def zsh(main: Help, verbs: dict[str, tuple[str, Help]]) -> str:
    described = " \\\n        ".join(f"'{verb}:{zsh_text(text)}'" for verb, (text, _) in verbs.items())
    cases = "".join(f"            {verb})\n            _arguments \\\n                {zsh_options(help.options)}\n            ;;\n"
                    for verb, (_, help) in verbs.items())
    return f"""#compdef connmgr
# zsh completion of connmgr, made from its --help
_connmgr() {{
    local state line
    local -a verbs
    verbs=({described})
    _arguments -C \\
                {zsh_options(main.options)} \\
                '1:verb:->verb' '*::option:->option'
    case $state in
        verb) _describe verb verbs ;;
        option) case $line[1] in
{cases}        esac ;;
    esac
}}
_connmgr "$@"
"""


def fish_option(option: Option, condition: str) -> str:
    def quote(text: str) -> str:
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
    choices = f" -a {quote(' '.join(option.choices))}" if option.choices else ""
    value = "" if not option.value else f" -r -F{choices}" if option.kind == "file" else \
        " -x -a '(__fish_complete_directories)'" if option.kind else f" -x{choices}"
    return f"complete -c connmgr -n {quote(condition)} {names}{value} -d {quote(option.text)}\n"


def fish(main: Help, verbs: dict[str, tuple[str, Help]]) -> str:
    lines = ["# fish completion of connmgr, made from its --help\n", "complete -c connmgr -f\n"]
    for verb, (text, help) in verbs.items():
        text = text.replace("\\", "\\\\").replace("'", "\\'")
        lines.append(f"complete -c connmgr -n __fish_use_subcommand -a {verb} -d '{text}'\n")
        lines.extend(fish_option(option, f"__fish_seen_subcommand_from {verb}") for option in help.options)
    lines[2:2] = [fish_option(option, "__fish_use_subcommand") for option in main.options]
    return "".join(lines)


def main() -> None:
    program, out, version, date = sys.argv[1:]
    top = read_help(program)
    verbs = {verb: (text, read_help(program, verb)) for verb, text in top.verbs}
    if not top.options or not verbs:
        sys.exit(f"manuals.py: no options or no verbs in the output of {program} --help")

    target = Path(out)
    (target / "man").mkdir(parents=True, exist_ok=True)
    (target / "completions").mkdir(exist_ok=True)
    pages = {"DESCRIPTION": roff(top.description), "OPTIONS": "".join(map(man_option, top.options)), "VERBS": man_verbs(top, verbs)}
    for source in sorted((Path(__file__).parent / "man").glob("*.in")):
        page = source.read_text()
        for name, text in {**pages, "VERSION": version, "DATE": date}.items():
            page = page.replace(f"@{name}@", text.rstrip("\n"))
        (target / "man" / source.stem).write_text(page)
    for name, text in {"connmgr.bash": bash(top, verbs), "_connmgr": zsh(top, verbs), "connmgr.fish": fish(top, verbs)}.items():
        (target / "completions" / name).write_text(text)


main()
