#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
#
# check-docs.py - what the documents say about the tree is so. In README.md, CONTRIBUTING.md, CHANGELOG.md and docs/*.md:
#
#   - `path/file.c:name` names a function, structure, constant or effect that this file has;
#   - `path/file` or `path/` that begins with a folder of the tree exists; so does the target of every relative link;
#   - `./run VERB` is something that run knows;
#   - `rdmaregctl VERB --option` is a verb that has the option; a sample of `rdmaregctl list` has its headings;
#   - each row of a table with a column "tested by" (security.md) names a test there;
#   - error names (org.rdmareg.Registry1.Error.X) exist.
#
# The recipes of CONTRIBUTING.md name an example and each file that it is made of: each has one of the example's words, and no other
# file of the product has one.
#
# In these, in the manual pages and in every comment: the name of a source file, with or without its folder, is that of one of the
# tree. Files of the kernel are told by their folder; FOREIGN are those of others. In comments also: a name of code (a_function,
# a_setting, AProperty, or the end of A_CONSTANT), an option, and a verb of `./run` occur in the code itself; ELSEWHERE are those of
# others. What a table of docs/troubleshooting.md quotes of a message, a program says; rdmaregctl knows the verbs and options that the
# journal's catalog and the alerts name.
#
# What there is, is documented: the keys of configs/rdmaregd.conf are those of man/rdmaregd.conf.5.scd, with the same defaults; each
# reason with which a region ends is told by the contract and by rdmaregctl(1); each verb of rdmaregctl has its entry in the manual page
# with each of its options, each option of rdmaregd has one, and every man page is built. What is documented, there is: a setting, a
# property, an option or another name of code that a document or a manual page names is one that the code knows, or one of the ELSEWHERE.
# Told are also: the module's parameters (docs/kernel-module.md), the environment of the programs (their manual pages), the verbs of
# `./run` (its help), each document (by a link from another) and each check (CONTRIBUTING.md). The examples of man/librdmareg.3.scd call
# what the headers declare. What `rdmaregctl doctor` finds is in its manual page and in docs/troubleshooting.md.
import pathlib
import re

import tree

NAMED = re.compile(r"(?<![\w./<>{}$*%~-])((?:[\w.-]+/)*[\w-]+\.(?:c|h|py|sh|md|scd|tsv|sym|xml|policy))(?![\w*])")
KERNEL = ("include/", "drivers/", "fs/", "mm/", "kernel/", "providers/")  # the last: of rdma-core
FOREIGN = {"librpma.h", "verbs.h"}
# Names of the kernel, of libraries and of systemd that documents and comments speak of and the code does not have.
ELSEWHERE = {"ADVISE_MR", "BUS_MCEERR_AR", "CAP_LEASE", "CAP_NET_ADMIN", "COMMIT_RANGE", "FOLL_LONGTERM",
             "FS_ALLOW_HSM", "IB_CM_REJ_INVALID_SERVICE_ID", "IORING_OP_FTRUNCATE", "InfiniBand", "KillMode",
             "LOCAL_INV", "LOCAL_WRITE", "MemoryHigh", "ODP_SUPPORT", "PIDFD_GET_INFO", "PRE_CONTENT",
             "RLIMIT_SIGPENDING", "ThreadSanitizer", "XFS_IOC_FSGEOMETRY_V1", "ZERO_RANGE", "check_vma_flags", "contain_spank",
             "complete_signal", "d_path", "extent_max_zeroout_kb", "f_fsid", "fanotify_event_info_range", "fid_type",
             "fsnotify_pre_content", "hmm_range_fault", "i_mmap_rwsem", "i_rwsem", "i_size",
             "ib_umem_odp_map_dma_and_lock", "ibv_rereg_mr", "invalidate_lock", "ioctl_xfs_fsgeometry", "job_prolog",
             "lm_breaker_timedout", "max_incoming_bytes", "mmap_lock", "mmu_notifier_event", "open_by_handle_at",
             "proc_pid_syscall", "psi_trigger_poll", "swap_header", "user_init", "vma_is_fsdax", "wait_task_inactive",
             "writable_file_mapping_allowed", "write_iter", "xfs_break_leased_layouts"}
NAME_OF_CODE = re.compile(r"(?:[a-z][a-z0-9]*|[A-Z][A-Z0-9]*)(?:_[A-Za-z0-9]+)+|[A-Z][a-z]+(?:[A-Z]\w*)+")
PLACEHOLDER = re.compile(r"NAME|NN|^path/")
IN_COMMENT = re.compile(rf"(?<![\w./<>{{}}$*%~-])({NAME_OF_CODE.pattern})(?![\w*./-])")
OPTION_IN_COMMENT = re.compile(r"(?<!\S)--([a-z][a-z-]*[a-z])(?![\w>-])")
COMMENTS = {
    re.compile(r"/\*.*?\*/|//[^\n]*", re.S): (".c", ".h"),
    re.compile(r"(?:^|\s)#[^\n]*"): (".py", ".sh", ".build", ".in", ".conf", ".slice", ".rules", ""),
    re.compile(r"<!--.*?-->", re.S): (".xml", ".policy"),
    re.compile(r".*", re.S): (".md", ".scd"),
}
DOCUMENTS = [pathlib.Path("README.md"), pathlib.Path("CONTRIBUTING.md"), pathlib.Path("CHANGELOG.md"), *tree.files("docs", ".md")]
# texts that tell an operator what to do, and are not documents
ADVICE = [pathlib.Path("systemd/rdmareg.catalog"), *tree.files("configs/prometheus", ".yaml")]
# quoted in tables of docs/troubleshooting.md, and said by the kernel and the bus
SAID_ELSEWHERE = {"not activatable", "Text file busy", "tainted"}
FOLDERS = {p.parts[0] for p in tree.paths() if len(p.parts) > 1}
PRODUCT = ("client", "configs", "daemon", "kmod-helper", "man", "proto", "systemd")  # the tests of a thing are where they fit
PATH = re.compile(r"`((?:[\w.-]+/)+[\w.*-]*|[\w-]+\.(?:c|h|md))(?::(\w+)(?:\(\))?)?`")


def defines(text, name):
    """True when `text` defines or declares `name`: not merely when it uses it."""
    return re.search(rf"^[^\s#/*{{}}].*\b{name}\(|^(?:typedef )?(?:struct|enum|union) {name}\b|^\s*#\s*define {name}\b|"
                     rf"^\s+{name}(?:\s*=[^,]*)?,|^(?:function )?{name}\s*\(\)|^\s*def {name}\b", text, re.M) is not None


def check_paths(document, text):
    for match in PATH.finditer(text):
        path, name = match.groups()
        if path.split("/")[0] not in FOLDERS and not name:
            continue
        line = tree.line_of(text, match.start())
        if "*" in path:
            if not list(tree.ROOT.glob(path)):
                tree.problem(document, line, f"{path} matches nothing")
        elif not (tree.ROOT / path).exists():
            tree.problem(document, line, f"{path} does not exist")
        elif name and not defines(tree.read(path), name):
            tree.problem(document, line, f"{path} has no {name}")


def check_named_files(path, text, known):
    for comment, suffixes in COMMENTS.items():
        if path.suffix not in suffixes:
            continue
        for part in comment.finditer(text):
            for match in NAMED.finditer(part.group(0)):
                name = match.group(1)
                if name in known or name in FOREIGN or name.startswith(KERNEL) or PLACEHOLDER.search(name):
                    continue
                tree.problem(path, tree.line_of(text, part.start() + match.start()), f"names {name}, which does not exist")


def comments_of(path, text):
    """(text without comments, [(position, comment)]); of a document that has none, all is text."""
    found = []
    for comment, suffixes in COMMENTS.items():
        if path.suffix in suffixes and path.suffix not in (".md", ".scd"):
            if path.suffix in (".c", ".h"):  # "/*" in a string begins none
                comment = re.compile(rf'"(?:\\.|[^"\\\n])*"|({comment.pattern})', re.S)
            else:
                comment = re.compile(rf"({comment.pattern})", comment.flags)
            found += [(part.start(), part.group(1)) for part in comment.finditer(text) if part.group(1)]
            text = comment.sub(lambda part: " " if part.group(1) else part.group(0), text)
    return text, found


def check_comments(path, text, known, options, run):
    """Names of code, options and verbs of ./run."""
    for start, comment in comments_of(path, text)[1]:
        for match in IN_COMMENT.finditer(comment):
            name = match.group(1)
            if name not in known and name not in ELSEWHERE and not (name.isupper() and "_" + name in known.tails):
                tree.problem(path, tree.line_of(text, start + match.start()), f"names {name}, which no code here has (others' names: ELSEWHERE in check-docs.py)")
        for match in OPTION_IN_COMMENT.finditer(comment):
            if match.group(1) not in options:
                tree.problem(path, tree.line_of(text, start + match.start()), f"names --{match.group(1)}, which no program here has")
        check_run(path, comment, run)


class Words(set):
    """Words of the code, and the ends of its constants, from each underscore on."""
    def __init__(self, code):
        super().__init__(re.findall(r"\w+", code))
        self.tails = {word[n:] for word in self if word.isupper() for n, letter in enumerate(word) if letter == "_"}


def check_told():
    """What there is, and where it has to be told."""
    parameters = re.findall(r"module_param_named\((\w+)", tree.read("kmod-helper/main.c"))
    variables = {name: path for path in [*tree.files("client", ".c"), *tree.files("daemon/arbiter", ".c"), *tree.files("daemon/proxy", ".c")]
                 for name in re.findall(r'getenv\("((?:RDMAREG_|NO_)\w+)"\)', tree.read(path))}
    verbs = re.search(r"^((?:\w+ \| )+\w+)\) \"\$\{verb\}_verb\"", tree.read("run"), re.M).group(1).split(" | ")
    build = tree.read("tests/check/meson.build")
    checks = re.findall(r"test\('([\w-]+)',", build) + [start + name for names, start in re.findall(r"foreach \w+ : \[(.*?)\]\n *test\('([\w-]+)' \+", build)
                                                         for name in re.findall(r"'(\w+)'", names)]
    pages = "".join(tree.read(page) for page in tree.files("man", ".scd"))
    for what, names, where, text in (("module parameter", parameters, "docs/kernel-module.md", tree.read("docs/kernel-module.md")),
                                     ("environment variable", variables, "man", pages),
                                     ("verb of ./run", verbs, "run", tree.read("run").split("EOF")[1]),
                                     ("check", checks, "CONTRIBUTING.md", tree.read("CONTRIBUTING.md"))):
        if not names:
            tree.problem("tests/check/check-docs.py", 1, f"finds no {what} any more")
        for name in names:
            if not re.search(rf"(?<![\w-]){name}(?![\w-])", text):
                tree.problem(where, 1, f"has nothing of {what} {name}")
    for document in tree.files("docs", ".md"):
        if not any(document.name in tree.read(other) for other in [*DOCUMENTS, pathlib.Path("tests/lab/README.md")] if other != document):
            tree.problem(document, 1, "no other document leads here")


def check_links(document, text):
    for match in re.finditer(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        if not (tree.ROOT / document.parent / match.group(1)).exists():
            tree.problem(document, tree.line_of(text, match.start()), f"links to {match.group(1)}, which does not exist")


def check_run(document, text, run):
    for match in re.finditer(r"\./run (\w+)", text):
        if not re.search(rf"^{match.group(1)}_verb\(\)", run, re.M) and match.group(1) != "help":
            tree.problem(document, tree.line_of(text, match.start()), f"./run has no {match.group(1)}")


def tool_verbs():
    """{verb: its options}, of client/ctl; some options are shared by verbs, so a file's options are those of each verb in it."""
    verbs, shared = {}, set()
    for path in tree.files("client/ctl", ".c", ".h"):
        text = tree.read(path)
        options = set(re.findall(r'\{ "([a-z-]+)", ARG_', text)) | set(re.findall(r'"([a-z-]+)",\s+ARG_', text))
        found = re.findall(r'const struct verb verb_\w+ = \{\s*"([a-z -]+)"', text)
        for verb in found:
            verbs[verb] = options
        if not found:
            shared |= options
    return {verb: options | shared for verb, options in verbs.items()}


def verb_options():
    """{verb: the options that are its own}, of the verbs' tables."""
    found = {}
    macros = {}
    for path in tree.files("client/ctl", ".h"):
        for name, body in re.findall(r"#define (\w+_SPECS)\(.*?\)((?:.*\\\n)*.*)", tree.read(path)):
            macros[name] = re.findall(r'\{\s*"([a-z-]+)",\s+ARG_', body)
    for path in tree.files("client/ctl", ".c"):
        text = tree.read(path)
        tables = dict(re.findall(r"static const struct option_spec (\w+)\[\] = \{(.*?)\n\};", text, re.S))
        for verb, rest in re.findall(r'const struct verb verb_\w+ = \{\s*"([a-z -]+)",(.*?)\};', text, re.S):
            table = next((body for name, body in tables.items() if re.search(rf"\b{name}\b", rest)), "")
            found[verb] = set(re.findall(r'\{ "([a-z-]+)",\s+ARG_', table))
            for name, options in macros.items():
                found[verb] |= set(options if re.search(rf"\b{name}\(", table) else [])
    return found


def check_manual_of_tool():
    """Each verb and each of its options is in the manual page, in the verb's entry or among the options of several verbs."""
    page = pathlib.Path("man/rdmaregctl.1.scd")
    text = tree.read(page)
    shared = "\n".join(re.findall(r"^\*--[a-z-]+\*", text, re.M))
    for verb, options in verb_options().items():
        entry = re.search(rf"^\*{verb}\*.*?(?=^\*[a-z -]+\*|^#|\Z)", text, re.M | re.S)
        if not entry:
            tree.problem(page, 1, f"has no entry for rdmaregctl {verb}")
            continue
        for option in sorted(options):
            if f"*--{option}*" not in entry.group(0) and f"*--{option}*" not in shared:
                tree.problem(page, tree.line_of(text, entry.start()), f"rdmaregctl {verb} has an option --{option} that is not here")


def check_findings():
    """Each kind of finding of rdmaregctl doctor is in its manual page, and docs/troubleshooting.md says what it means."""
    kinds = re.findall(r'\[FOUND_\w+\] = \{ "([a-z-]+)"', tree.read("client/ctl/doctor-judge.c"))
    for page, form in (("man/rdmaregctl.1.scd", r"_{}_"), ("docs/troubleshooting.md", r"^\| `{}` \|")):
        for kind in kinds:
            if not re.search(form.format(kind), tree.read(page), re.M):
                tree.problem(pathlib.Path(page), 1, f"does not have {kind}, which rdmaregctl doctor finds")


def check_manual_of_daemon():
    table = re.search(r"struct program_option options\[\] = \{(.*?)\n\};", tree.read("daemon/arbiter/main.c"), re.S).group(1)
    have = set(re.findall(r'\{ "([a-z-]+)"', table)) | {"help", "version"}
    page = pathlib.Path("man/rdmaregd.8.scd")
    told = set(re.findall(r"\*--([a-z-]+)\*", tree.read(page).split("# OPTIONS")[1].split("\n# ")[0]))
    for option in sorted(have ^ told):
        tree.problem(page, 1, f"--{option} is only {'in daemon/arbiter/main.c' if option in have else 'here'}")


def check_names(document, text, known, options):
    """Names of settings, properties, functions and options that stand for themselves."""
    quoted = r"[*_]{}(?:\(\))?[*_=]" if document.suffix == ".scd" else r"`{}(?:\(\))?(?: = [^`]*)?`"
    for match in re.finditer(quoted.format(f"({NAME_OF_CODE.pattern})"), text):
        name = match.group(1)
        before = text[match.start() - 1:match.start()] if match.start() else ""
        if document.suffix == ".scd" and re.match(r"[\w$]", before):
            continue  # the inside of a longer name
        metric = re.sub(r"_(?:total|bucket|sum|count)$", "", name) if name.startswith("rdmareg_") else name  # page.c adds these
        if name not in known and metric not in known and name not in ELSEWHERE:
            tree.problem(document, tree.line_of(text, match.start()), f"names {name}, which nothing here is called")
    for match in re.finditer(r"[`*]--([a-z][a-z-]+)", text):
        if match.group(1) not in options:
            tree.problem(document, tree.line_of(text, match.start()), f"names --{match.group(1)}, which no program here has")


def check_examples():
    page = pathlib.Path("man/librdmareg.3.scd")
    headers = "".join(tree.read(p) for p in tree.files("client/include", ".h"))
    text = tree.read(page)
    for block in re.finditer(r"^```\n(.*?)^```", text, re.M | re.S):
        for name in set(re.findall(r"\b(rdmareg_\w+|RDMAREG_\w+)", block.group(1))):
            if not re.search(rf"\b{name}\b", headers):
                tree.problem(page, tree.line_of(text, block.start()), f"the example uses {name}, which no header has")


def check_tool(document, text, verbs, quoted_by="`"):
    for match in re.finditer(r"\brdmaregctl\*? ((?:--json )?)\*?([a-z][a-z-]+)\b([^`\n|#;&]*)", text):
        line = tree.line_of(text, match.start())
        quoted = not quoted_by or text[text.rfind("\n", 0, match.start()) + 1:match.start()].count(quoted_by) % 2 or "```" in text[:match.start()]
        verb, rest = match.group(2), match.group(3)
        second = re.match(r"\*? \*?([a-z-]+)\b(.*)", rest)
        if second and f"{verb} {second.group(1)}" in verbs:
            verb, rest = f"{verb} {second.group(1)}", second.group(2)
        elif not second and any(known.startswith(f"{verb} ") for known in verbs):
            continue
        if verb not in verbs:
            if quoted and text[match.start() - 1] in "`$#\n ":
                tree.problem(document, line, f"rdmaregctl has no verb {verb}")
            continue
        for option in re.findall(r"(?<!\S)--([a-z-]+)", rest.split(" -- ")[0]):
            if option not in verbs[verb]:
                tree.problem(document, line, f"rdmaregctl {verb} has no option --{option}")


def check_tested(document, text):
    """Returns how many rows say what they are tested by."""
    rows, column = 0, None
    for number, line in enumerate(text.split("\n"), 1):
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if not cells:
            column = None
        elif "tested by" in cells:
            column = cells.index("tested by")
        elif column is not None and not set(line) <= set("|-: "):
            rows += 1
            if len(cells) <= column or not re.search(r"`tests/\S+`", cells[column]):
                tree.problem(document, number, "says not what this is tested by")
    return rows


def check_samples(document, text):
    headings = re.findall(r'^\t\{ "\w+", "([A-Z]+)", LOOK', tree.read("client/ctl/verb-list.c"), re.M)
    for match in re.finditer(r"^ +ID STATE (?! *INVAL).*$", text, re.M):
        if match.group(0).split() != headings:
            tree.problem(document, tree.line_of(text, match.start()), f"rdmaregctl list has the columns {' '.join(headings)}")


def check_symptoms():
    """What a table of the symptoms quotes is said by a program here; ... and numbers, capitals and names in it stand for anything."""
    page, said = pathlib.Path("docs/troubleshooting.md"), ""
    for folder in ("daemon", "client", "kmod-helper", "proto"):
        said += "".join(tree.read(path) for path in tree.files(folder, ".c", ".h"))
    said = re.sub(r'"\s*(?:\w+)?\s*"|%[-.*\d]*[lzh]*[a-zA-Z]?', "", said).replace('\\"', '"')
    text, count = tree.read(page), 0
    for row in re.finditer(r"^\|(.*?)\|(.*?)\|", text, re.M):
        for quoted in re.findall(r'(?<![=\w])"([^"]{6,})"', f"{row.group(1)}|{row.group(2)}"):
            parts = re.split(r"\.\.\.|\b[A-Z]{1,}\b|\b\d+\b|org\.[\w.]+|/[\w/]+", quoted)
            count += 1
            if quoted not in SAID_ELSEWHERE and not re.search("[^\n]{0,60}?".join(map(re.escape, parts)), said):
                tree.problem(page, tree.line_of(text, row.start()), f'nothing here says "{quoted}"')
    if count < 30:
        tree.problem(page, 1, f"quotes only {count} messages: is this looking for them in the wrong way?")


def check_errors(document, text, names):
    for match in re.finditer(r"org\.rdmareg\.Registry1\.Error\.(\w+)", text):
        if f'"{match.group(1)}"' not in names:
            tree.problem(document, tree.line_of(text, match.start()), f"there is no error {match.group(1)}")


def sections(lines, entry):
    """{section: {key: (line, rest)}}, where `entry` recognises a key."""
    found, section = {}, ""
    for number, line in enumerate(lines, 1):
        if match := re.match(r"\s*#?\s*\[(\w+)\]|^## \[(\w+)\]|^# \[(\w+)\]", line):
            section = next(filter(None, match.groups()))
        elif match := entry.match(line):
            found.setdefault(section, {})[match.group(1)] = (number, match.group(2).strip())
    return found


# As C has it: a number, a shift, or a name of proto/.
def number(text):
    if text.isdigit():
        return int(text)
    if shift := re.fullmatch(r"(\d+) << (\d+)", text):
        return int(shift.group(1)) << int(shift.group(2))
    return next(int(value) for header in tree.files("proto", ".h")
                for value in re.findall(rf"#define {text} (\d+)", tree.read(header)))


def check_configuration():
    config, page = pathlib.Path("configs/rdmaregd.conf"), pathlib.Path("man/rdmaregd.conf.5.scd")
    if not (tree.ROOT / config).is_file():
        return
    source = "daemon/arbiter/settings.c"
    bounds = {key: f"{low} to {number(high)}" for key, low, high in
              re.findall(r'NUMBER\("[\w-]+", (\w+), "\d+", (\d+), (.+)\),', tree.read(source))}
    configured = sections(tree.read(config).split("\n"), re.compile(r"#?(\w+)\s*=(.*)$"))
    described = sections(tree.read(page).split("\n"), re.compile(r"\*(\w+)=\*(.*)$"))
    for section in sorted(set(configured) | set(described)):
        ours, theirs = configured.get(section, {}), described.get(section, {})
        for key in sorted(set(ours) ^ set(theirs)):
            tree.problem(page if key in ours else config, 1, f"[{section}] {key} is only in {config if key in ours else page}")
        for key in sorted(set(ours) & set(theirs)):
            default = re.match(r"(?:_\w+_ )?\(default: ([^;]*)(?:; (.*))?\)", theirs[key][1])
            if default and default.group(1) != ours[key][1]:
                tree.problem(page, theirs[key][0], f"[{section}] {key}: default {default.group(1)}, in {config} {ours[key][1]}")
            if default and default.group(2) != bounds.get(key):
                tree.problem(page, theirs[key][0], f"[{section}] {key}: bounds {default.group(2)}, in {source} {bounds.get(key)}")


def check_recipes():
    document = pathlib.Path("CONTRIBUTING.md")
    text = tree.read(document)
    product = [path for path in tree.paths() if path.parts[0] in PRODUCT]
    found = list(re.finditer(r"^Example: (.*(?:\n.+)*)\n\n\|.*\n\|.*\n((?:\|.*\n)+)", text, re.M))
    for recipe in found:
        line = tree.line_of(text, recipe.start())
        words = re.findall(r"`([^`]+)`", recipe.group(1))
        pattern = re.compile("|".join(r"(?<!\w)" * (word[0] not in "[*'.") + re.escape(word) + r"(?!\w)" * word[-1].isalnum() for word in words))
        listed = {pathlib.Path(path) for path in re.findall(r"^\| `([^`]+)`", recipe.group(2), re.M)}
        have = {path for path in {*product, *listed} if (tree.ROOT / path).is_file() and pattern.search(f"{path}\n{tree.read(path)}")}
        for path in sorted(listed - have):
            tree.problem(document, line, f"{path} has nothing of this recipe")
        for path in sorted(have - listed):
            tree.problem(document, line, f"{path} has {pattern.search(tree.read(path)).group(0)}, and is not in this recipe")
    if text.count("\nExample: ") != len(found) or not found:
        tree.problem(document, 1, "a recipe is an example and a table of files")


def check_man_pages():
    build = tree.read("man/meson.build")
    for page in tree.files("man", ".scd"):
        if f"'{page.stem}'" not in build:
            tree.problem(page, 1, "is not built: add it to man/meson.build")


def check_reasons():
    """What a region can end with is told to those who read of it: the contract's readers and the tool's."""
    ends = re.search(r"#define REGION_END_NAMES(.*?)\}", names, re.S).group(1)
    manager = tree.read("proto/org.rdmareg.Registry1.Manager.xml")
    tool = tree.read("man/rdmaregctl.1.scd")
    told = {
        "proto/org.rdmareg.Registry1.Manager.xml": set(re.findall(r'"([a-z-]+)"', re.search(r"@reason: (.*?)@text", manager, re.S).group(1))),
        "man/rdmaregctl.1.scd": set(re.findall(r"[a-z-]+", re.search(r"\*removed\* has a\s+\*reason\*: (.*?)\.\n", tool, re.S).group(1))),
    }
    for reason in re.findall(r'"([a-z-]+)"', ends):
        for path, words_told in told.items():
            if reason not in words_told:
                tree.problem(path, 1, f"does not say that a region can end with the reason {reason}, as proto/names.h has it")


run = tree.read("run") if (tree.ROOT / "run").is_file() else ""
names = tree.read("proto/names.h")
verbs = tool_verbs()
for document in DOCUMENTS:
    if (tree.ROOT / document).is_file():
        text = tree.read(document)
        check_paths(document, text)
        check_links(document, text)
        check_run(document, text, run)
        check_errors(document, text, names)
        check_tool(document, text, verbs)
        check_samples(document, text)
        if not check_tested(document, text) and document.name == "security.md":
            tree.problem(document, 1, "has no row that is tested")
for page in tree.files("man", ".scd"):
    check_errors(page, tree.read(page), names)
    check_tool(page, tree.read(page), verbs)
    check_samples(page, tree.read(page))
known = {"/".join(path.parts[n:]) for path in tree.paths() for n in range(len(path.parts))}
for path in tree.paths():
    text = tree.read(path)
    if text is not None:
        check_named_files(path, text, known)
sources = "".join(comments_of(path, tree.read(path) or "")[0] for path in tree.paths()
                  if path.parts[0] not in ("docs", "man", "LICENSES") and path.suffix != ".md" and path.name != "check-docs.py")
words = Words(sources)
options = set(re.findall(r'"(?:--)?([a-z][a-z-]+)"|--([a-z][a-z-]+)', sources))
options = {option for pair in options for option in pair}
for document in [*DOCUMENTS, *tree.files("man", ".scd")]:
    if (tree.ROOT / document).is_file():
        if not document.is_relative_to("docs/upstream"):  # which is about the kernel's code
            check_names(document, tree.read(document), words, options)
for path in tree.paths():
    text = tree.read(path)
    if text is not None and path.parts[0] != "LICENSES" and path.name != "check-docs.py":
        check_comments(path, text, words, options, run)
check_configuration()
check_recipes()
check_told()
check_symptoms()
for path in ADVICE:
    check_tool(path, tree.read(path), verbs, quoted_by="")
check_man_pages()
check_reasons()
check_manual_of_tool()
check_findings()
check_manual_of_daemon()
check_examples()
tree.done(f"{len(DOCUMENTS)} documents and the manual pages")
