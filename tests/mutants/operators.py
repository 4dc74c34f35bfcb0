# SPDX-License-Identifier: GPL-2.0-or-later
"""operators.py - small wrong changes of a C file: a condition the other way round, a statement left out, a neighbouring state.

The file is cut into tokens, not parsed: what is looked at is what a state machine is made of. Every mutant is one replacement of a
span of the text; comments, strings, directives and declarations are left alone, and so are assertions, which say what a caller
must not do: assert(), and functions that are called assert_*(). A mutant's name does not contain line numbers, so a list of names survives the editing of other lines.

What always holds: mutants_of() is deterministic, and no two mutants of a file have the same name or the same text."""

import bisect
import re
from dataclasses import dataclass

TOKEN = re.compile(r"""
    (?P<skip>\s+|//[^\n]*|/\*.*?\*/|^[ \t]*\#(?:\\\n|[^\n])*)
  | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
  | (?P<word>[A-Za-z_]\w*)
  | (?P<number>0[xX][0-9a-fA-F]+\w*|\d\w*)
  | (?P<op>->|\+\+|--|<<=|>>=|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|\.\.\.|.)
""", re.X | re.S | re.M)

# The boundary comes first, then the opposite.
SWAPS = {
    "<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="], ">=": [">", "<"], "==": ["!="], "!=": ["=="],
    "&&": ["||"], "||": ["&&"], "++": ["--"], "--": ["++"], "+=": ["-="], "-=": ["+="], "|=": ["="], "<<": [">>"],
    "0": ["1"], "0u": ["1u"], "1": ["0"], "1u": ["0u"], "true": ["false"], "false": ["true"],
}
BINARY = {"+": "-", "-": "+"}
TYPES = re.compile(r"(?:struct|enum|union|const|static|bool|int|unsigned|char|void|long|u?int\d+_t|size_t|__u\d+|uint)$")
CONTROL = {"if", "for", "while", "switch"}
EARLY = {"return", "break", "continue", "goto"}
ENDS = {"&&", "||", "=", "return", ",", ";", "?", ":", "{", "}"}
NO_EXPRESSION = CONTROL | EARLY | {"case", "default", "else", "do"}
ASSERTIONS = re.compile(r"(?:assert|_Static_assert|assert_\w+)$")


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Mutant:
    file: str
    function: str
    line: int
    before: str  # the lines it touches, as they are
    after: str  # and as they become
    start: int
    end: int
    new: str
    nth: int  # which of those that look the same in this function

    def key(self):
        return (self.file, self.function, self.before, self.after, self.nth)

    def apply(self, text):
        return text[:self.start] + self.new + text[self.end:]


def tokens_of(text):
    return [Token(m.lastgroup, m.group(), m.start(), m.end()) for m in TOKEN.finditer(text) if m.lastgroup != "skip"]


def partners_of(tokens):
    """Index of the closing bracket for each opening one."""
    partner, stack = {}, []
    for i, t in enumerate(tokens):
        if t.text in ("(", "[", "{"):
            stack.append(i)
        elif t.text in (")", "]", "}") and stack:
            partner[stack.pop()] = i
    return partner


def functions_of(tokens, partner):
    """(name, index of its opening brace, of its closing one)."""
    i, name = 0, None
    while i < len(tokens):
        t = tokens[i]
        if t.text == "{":
            if name and tokens[i - 1].text == ")":
                yield name, i, partner[i]
            i, name = partner[i], None
        elif t.text == "(" and tokens[i - 1].kind == "word":
            name = name or tokens[i - 1].text
            i = partner[i]
        elif t.text in (";", "=", ","):
            name = None
        i += 1


def enums_of(texts):
    """For each constant of an enumeration the one after it (before it, for the last)."""
    neighbour = {}
    for text in texts:
        plain = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.S)
        for body in re.findall(r"\benum\s+\w+\s*\{(.*?)\}", plain, re.S):
            names = [n for n in re.findall(r"(?:^|,)\s*([A-Z]\w+)", body)]
            for a, b in zip(names, names[1:] + names[-2:-1]):
                neighbour[a] = b
    return neighbour


def end_of_statement(tokens, partner, i):
    """None: it is none, but the last part of the head of a for."""
    while tokens[i].text not in (";", ")", "}"):
        i = partner.get(i, i) + 1
    return i if tokens[i].text == ";" else None


def starts_statement(tokens, i, heads):
    """@heads: the brackets that close the head of an if or a loop."""
    before = tokens[i - 1].text
    return before in (";", "{", "}", "else", "do") or i - 1 in heads or (before == ":" and is_label(tokens, i - 1))


def is_label(tokens, colon):
    i = colon - 1
    while i >= 0 and tokens[i].text not in (";", "{", "}", ":", "?"):
        if tokens[i].text in ("case", "default"):
            return True
        i -= 1
    return False


def around(text, tokens, partner, i, before, after):
    """Something put around the contents of the bracket @i."""
    start, end = tokens[i].end, tokens[partner[i]].start
    return start, end, before + text[start:end] + after


def of_condition(text, tokens, partner, i):
    if tokens[i].text not in ("if", "while") or tokens[i + 1].text != "(":
        return
    yield around(text, tokens, partner, i + 1, "!(", ")")
    if tokens[i].text == "if" and tokens[partner[i + 1] + 1].text in EARLY:
        yield around(text, tokens, partner, i + 1, "0 && (", ")")


def of_statement(tokens, partner, i, heads):
    """Left out, if it is an assignment or a call."""
    t, after = tokens[i], tokens[i + 1]
    if not starts_statement(tokens, i, heads):
        return
    if t.kind == "word":
        if t.text in NO_EXPRESSION or TYPES.match(t.text) or after.kind == "word" or after.text == ":":
            return
    elif t.text not in ("*", "++", "--", "("):
        return
    end = end_of_statement(tokens, partner, i)
    if end is not None:
        yield t.start, tokens[end].start, ""


def of_case(tokens, i):
    if tokens[i].text not in ("case", "default"):
        return
    while tokens[i].text != ":":
        i += 1
    if tokens[i + 1].text not in ("case", "default", "break", "}", "return"):
        yield tokens[i].end, tokens[i].end, " break;"


def operand(tokens, i, step):
    """The text of what stands before (@step -1) or after a comparison, and the index of what ends it."""
    depth, parts, i = 0, [], i + step
    while depth or tokens[i].text not in ENDS:
        depth += step * ((tokens[i].text in "([") - (tokens[i].text in ")]"))
        if depth < 0:
            break
        parts.append(tokens[i].text)
        i += step
    return "".join(parts[::step]), i


def picks_one(tokens, i, heads):
    """Is this comparison that of a minimum or maximum, "if (a < b) b = a;" or "a < b ? a : b"? Which one it picks of two that are
    equal nobody can see."""
    if tokens[i].text not in ("<", "<=", ">", ">="):
        return False
    left, _ = operand(tokens, i, -1)
    right, at = operand(tokens, i, 1)
    if tokens[at].text == "?":
        first, colon = operand(tokens, at, 1)
        second = operand(tokens, colon, 1)[0] if tokens[colon].text == ":" else ""
        return {first, second} == {left, right}
    while tokens[at].text == ")" and at not in heads:
        at += 1
    if at not in heads:
        return False
    target, equals = operand(tokens, at, 1)
    source, end = operand(tokens, equals, 1)
    alone = tokens[equals].text == "=" and tokens[end].text == ";" and tokens[end + 1].text != "else"
    return alone and {target, source} == {left, right}


def of_token(tokens, i, neighbour, heads):
    t, before = tokens[i], tokens[i - 1]
    if before.text == "case":
        return
    if t.text in neighbour:
        yield t.start, t.end, neighbour[t.text]
    swaps = SWAPS.get(t.text, [])
    for new in swaps[1:] if picks_one(tokens, i, heads) else swaps:
        yield t.start, t.end, new
    if t.text in BINARY and (before.kind in ("word", "number") or before.text in (")", "]")) and before.text != "return":
        yield t.start, t.end, BINARY[t.text]


def spans_of(text, tokens, partner, first, last, neighbour):
    """(start, end, replacement) of every mutant between two brackets."""
    heads = {partner[i + 1] for i in range(first, last) if tokens[i].text in CONTROL and tokens[i + 1].text == "("}
    asserted = {k for i in range(first, last) if ASSERTIONS.match(tokens[i].text) for k in range(i, partner[i + 1])}
    for i in range(first + 1, last):
        if i in asserted:
            continue
        yield from of_condition(text, tokens, partner, i)
        yield from of_statement(tokens, partner, i, heads)
        yield from of_case(tokens, i)
        yield from of_token(tokens, i, neighbour, heads)


def words(text):
    return " ".join(re.sub(r"/\*.*?(\*/|$)", "", text, flags=re.S).split())


def mutants_of(file, text, neighbour):
    tokens = tokens_of(text)
    partner = partners_of(tokens)
    newlines = [i for i, c in enumerate(text) if c == "\n"]
    result, seen, names = [], set(), {}
    for function, first, last in functions_of(tokens, partner):
        if ASSERTIONS.match(function):
            continue
        for a, b, new in spans_of(text, tokens, partner, first, last, neighbour):
            if (a, b, new) in seen:
                continue
            seen.add((a, b, new))
            line = bisect.bisect_left(newlines, a)
            begin = newlines[line - 1] + 1 if line else 0
            end = text.find("\n", b)
            before, after = (words(x) for x in (text[begin:end], text[begin:a] + new + text[b:end]))
            name = (function, before, after)
            names[name] = names.get(name, 0) + 1
            result.append(Mutant(file, function, line + 1, before, after, a, b, new, names[name]))
    return result
