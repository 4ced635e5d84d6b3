#!/usr/bin/env python3
"""Answers, from SPEC.md alone, whether the bytes of an export are what the holder of the pinned log key signed."""

import argparse
import base64
import functools
import hashlib
import json
import re
import sys
from types import SimpleNamespace

from blake3 import blake3
from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

# Section 13, and section 1 for the largest integer.
LEAF, PART, PART_DEPTH, PART_NODES, DEPTH, NODES = 8192, 65536, 8, 4000, 16, 10000
EXPORT_LINE, CAUSE, NOTE_SIGNATURES = 163840, 16, 16
MAX_INTEGER = 2**53 - 1

# Section 14.1, verdict table, as far as exports can have them.
EXIT = {"forked": 3, "tampered": 3, "truncated": 3, "suspect": 3,
        "stale": 4, "unverifiable": 4, "integrity_only": 4, "authentic": 0}

class Refused(ValueError):
    """Text or bytes that the SPEC refuses; the caller knows which finding that is."""

class Finding(Exception):
    """What ends the reading (section 14): a code, and first and last position of its span, if any."""

class NotVerifiable(Exception):
    """An error code and an exit code instead of a verdict (section 15)."""

def attempt(parse, *arguments):  # Section 14: what a parser gives, or None where it refuses.
    try:
        return parse(*arguments)
    except Refused:
        return None

# ---- Section 3: canonical JSON
OBJECT_KEY = re.compile(r"[a-z0-9_]{1,64}")
JSON_STRING = re.compile(rb'"(?:[^"\\]|\\.)*["\\]?', re.DOTALL)
PLANE_ENDS = "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
BAD_CHARACTER = re.compile("[\x00\ud800-\udfff\ufdd0-\ufdef" + PLANE_ENDS + "]")

def nesting(data):
    # Section 3, rule 5: depth, found without recursion, so that it is bounded before anything is parsed.
    depth = deepest = 0
    for byte in JSON_STRING.sub(b"", data):
        depth += (byte in b"[{") - (byte in b"]}")
        deepest = max(deepest, depth)
    return deepest

def parse_integer(text):  # Section 3, rule 2; the length is looked at first, so that no huge number is ever converted.
    if len(text) > 17 or abs(int(text)) > MAX_INTEGER:
        raise Refused("number out of range")
    return int(text)

def refuse_number(text):  # Section 3, rule 2: fractions, exponents, and the NaN and infinities of the standard library.
    raise Refused("not an integer: " + text[:32])

def write(value):  # Section 3: canonical text. For the values that the profile allows, this is what RFC 8785 writes.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode("utf-8")

def check_profile(value, limit=NODES):  # Section 3, rules 1 and 4, and the limit `nodes` of section 13.
    pending, nodes = [value], 0
    while pending:
        value, nodes = pending.pop(), nodes + 1
        if nodes > limit or (type(value) is str and BAD_CHARACTER.search(value)):
            raise Refused("too many values, or a character that strings may not hold")
        if type(value) is list:
            pending.extend(value)
        if type(value) is dict:
            if not all(map(OBJECT_KEY.fullmatch, value)):
                raise Refused("malformed key")
            pending.extend(value.values())

def parse_canonical(data):
    # Section 3: bytes are canonical if and only if writing what they parse to gives the same bytes. The comparison
    # also finds what the parser of the standard library lets pass: double keys, `-0`, white space, escapes.
    if nesting(data) > DEPTH:
        raise Refused("too deep")
    try:
        value = json.loads(data.decode("utf-8"), parse_int=parse_integer, parse_float=refuse_number,
                           parse_constant=refuse_number)
    except ValueError as error:
        raise Refused("not JSON") from error
    check_profile(value)
    if write(value) != data:
        raise Refused("not canonical")
    return value

# ---- Sections 1, 4 and 5: encodings, hashes, keys, signatures
ORIGIN = re.compile(r"[a-z0-9][a-z0-9.-]{0,99}/e[1-9][0-9]{0,8}")

def decode_base64(text, size=None):  # Section 1: refuses what an encoder would not print.
    try:
        data = base64.b64decode(text)
    except ValueError as error:
        raise Refused("not base64") from error
    if base64.b64encode(data).decode("ascii") != text or size not in (None, len(data)):
        raise Refused("not what an encoder prints, or of another size")
    return data

def digest(context, data):  # Section 4.
    return "b3:" + blake3(data, derive_key_context=context).hexdigest()

def key_id_of(public):  # Section 4: the first 16 bytes of the digest.
    return "k:" + digest("chancery 2026 key", public)[3:35]

P, D = 2**255 - 19, -121665 * pow(121666, -1, 2**255 - 19)
ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
SMALL_ORDER = {0, 1, P - 1, ORDER_8, P - ORDER_8}  # y of the eight points of small order

def decode_public(text):  # Section 14.1, step 2.3: the canonical encoding of a point that is not of small order.
    public = decode_base64(text, 32)
    y = int.from_bytes(public, "little") & (2**255 - 1)
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    if y >= P or y in SMALL_ORDER or pow(square, (P - 1) // 2, P) != 1:
        raise Refused("no canonical encoding, no point, or one of small order")
    return public

def signature_is_valid(public, message, signature):
    # Section 5. libsodium's verification is strict: it refuses S >= L, a public key that is not canonical, and a
    # public key or an R of small order; and it compares the bytes of R with those of [S]B - [k]A, which is the
    # equation without the cofactor and leaves no R that is not canonical.
    try:
        VerifyKey(public).verify(message, signature)
    except (CryptoError, ValueError):
        return False
    return True

class LogKey:
    """A C2SP verifier key (section 5)."""

    def __init__(self, text):
        fields = text.split("+", 2)
        if len(fields) != 3 or not ORIGIN.fullmatch(fields[0]):
            raise Refused("not a verifier key")
        typed = decode_base64(fields[2], 33)
        self.origin, self.public = fields[0], typed[1:]
        self.id = hashlib.sha256(self.origin.encode("ascii") + b"\n" + typed).digest()[:4]
        decode_public(base64.b64encode(self.public).decode("ascii"))
        if typed[0] != 1 or fields[1] != self.id.hex():
            raise Refused("key type or key id")

# ---- Section 7: tree and heads
DECIMAL = re.compile(r"0|[1-9][0-9]{0,15}")
SIGNATURE_LINE = re.compile("\u2014 ([^\\s\x00-\x1f+]+) (\\S+)")

def node_hash(left, right):  # Section 7.
    return hashlib.sha256(b"\x01" + left + right).digest()

class Tree:
    """An RFC 6962 tree, held as its frontier (section 7)."""

    def __init__(self, size, frontier):
        self.size, self.frontier = size, frontier

    def append(self, leaf):
        subtree, bits = hashlib.sha256(b"\x00" + leaf).digest(), self.size
        while bits & 1:
            subtree, bits = node_hash(self.frontier.pop(), subtree), bits >> 1
        self.frontier.append(subtree)
        self.size += 1

    def root(self):
        if not self.frontier:
            return hashlib.sha256(b"").digest()
        return functools.reduce(lambda right, left: node_hash(left, right), reversed(self.frontier))

def checkpoint_text(origin, size, root):  # Section 7: the text that a head's signature covers.
    return "{}\n{}\n{}\n".format(origin, size, base64.b64encode(root).decode("ascii")).encode("ascii")

def parse_note(note, origin):  # Section 7: a C2SP checkpoint in exact form.
    text, _, block = note.partition("\n\n")
    fields, lines = text.split("\n"), block.split("\n")
    if (len(fields) != 3 or fields[0] != origin or not DECIMAL.fullmatch(fields[1]) or int(fields[1]) > MAX_INTEGER
            or re.search("[\x00-\x09\x0b-\x1f]", note) or lines.pop() or not 1 <= len(lines) <= NOTE_SIGNATURES):
        raise Refused("text, or number of signature lines")
    signatures = []
    for line in lines:
        match = SIGNATURE_LINE.fullmatch(line)
        if match is None:
            raise Refused("signature line")
        blob = decode_base64(match[2])
        if len(blob) < 5:
            raise Refused("no byte after the key id")
        signatures.append((match[1], blob[:4], blob[4:]))
    return int(fields[1]), decode_base64(fields[2], 32), signatures

# ---- Sections 6, 10 and 12: shapes, written as the SPEC writes them; `name?` is a member that may be absent
def record(members):  # Section 6: an object with exactly these members.
    required = {name for name in members if not name.endswith("?")}
    checks = {name.rstrip("?"): check for name, check in members.items()}
    return lambda value: (type(value) is dict and required <= set(value) <= set(checks)
                          and all(checks[name](member) for name, member in value.items()))

def text(grammar="(?s:.*)"):  # Section 6: a string that matches the grammar as a whole.
    pattern = re.compile(grammar)
    return lambda value: type(value) is str and pattern.fullmatch(value) is not None

def integer(low=0, high=MAX_INTEGER):  # Section 1; `type` and not `isinstance`, because True is an int.
    return lambda value: type(value) is int and low <= value <= high

def array(item, at_most):  # Section 6.
    return lambda value: type(value) is list and len(value) <= at_most and all(map(item, value))

def encoded(decode, size):  # Section 1: a string that holds so many bytes.
    return lambda value: type(value) is str and attempt(decode, value, size) is not None

def is_object(value):  # Section 3, rule 2.
    return type(value) is dict

ANYTHING, BOOLEAN = (lambda value: True), (lambda value: type(value) is bool)
ID, DIGEST, HEX_32 = text(r"[a-z0-9][a-z0-9._:-]{0,127}"), text(r"b3:[0-9a-f]{64}"), text(r"[0-9a-f]{64}")
KEY_ID = text(r"k:[0-9a-f]{32}")
NUMBER, STRING, PUBLIC, LEVEL = integer(), text(), (lambda value: type(value) is str and attempt(decode_public, value) is not None), text("observe|warn|enforce")
ENTRY = record({
    "v": integer(0, 0), "log": text(ORIGIN.pattern), "position": NUMBER, "prev": DIGEST, "time": NUMBER,
    "blind": text(r"[0-9a-f]{32}"), "kind": text(r"(?=.{1,64}\Z)[a-z_]+\.[a-z_]+"),
    "scope": text(r"/|(?:/[a-z0-9][a-z0-9-]{0,62}){1,5}"), "n": NUMBER,
    "entity": record({"id": ID, "kind": text(r"[a-z_]{1,32}")}),
    "actor": record({"for?": ID, "launcher?": ID, "principal": ID, "session?": ID}),
    "by?": record({"action": text(r"(?=.{1,64}\Z)[a-z_]+\.[a-z_]+"), "args": DIGEST, "key": DIGEST, "not_after?": NUMBER,
                   "policy?": DIGEST, "rules": integer(1)}),
    "data": is_object, "private?": DIGEST, "cause": array(NUMBER, CAUSE),
    "attestation?": record({"key": text(r"k:[0-9a-f]{32}"), "seq": integer(1), "sig": encoded(decode_base64, 64)}),
})
DATA = {  # Section 10, for the kinds that section 14.1, step 2.2, names.
    "ledger.opened": record({
        "administrator": record({"id": ID, "public": PUBLIC}),
        "attest": record({"agent": LEVEL, "human": LEVEL, "service": LEVEL, "worker": LEVEL}),
        "form": text("heads|entries"), "max_silence_ms?": NUMBER, "name": STRING,
        "limits": record({"cause": NUMBER, "depth": NUMBER, "leaf": NUMBER, "private": NUMBER}),
        "rules": integer(1), "stage": text("test|staging"), "system_key?": PUBLIC, "vkey": STRING}),
    "key.enrolled": record({"principal": ID, "public": PUBLIC, "use": text("request|entry")}),
    "key.rotated": record({"to": KEY_ID}),
    "key.revoked": record({}),
    "key.suspected": record({"from": NUMBER}),
}
HEADER = record({"export": STRING, "from": NUMBER, "frontier": array(HEX_32, 53), "origin": text(ORIGIN.pattern),
                 "parts": BOOLEAN, "to": NUMBER})
SALTED = record({"salt": HEX_32, "value": ANYTHING})
LINES = {
    "entry": record({"args?": SALTED, "leaf": STRING, "private?": SALTED}),
    "head": record({"head": record({"sig": encoded(decode_base64, 64), "size": NUMBER})}),
    "checkpoint": record({"checkpoint": STRING}),
    "trailer": record({"end": record({"digest": DIGEST, "entries": NUMBER})}),
}
PIN = record({"pin": text("chancery/v0"), "state?": is_object, "vkey": STRING, "size": NUMBER, "root": HEX_32})

def parse_leaf(encoded_leaf):  # Section 14.1, step 2.2: the bytes of the leaf and the entry in them.
    leaf = decode_base64(encoded_leaf)
    entry = parse_canonical(leaf)
    if len(leaf) > LEAF or not ENTRY(entry) or not DATA.get(entry["kind"], is_object)(entry["data"]):
        raise Refused("size, members, types or grammars")
    data, named = entry["data"], "k:" + entry["entity"]["id"]
    if entry["kind"] == "ledger.opened" and (("system_key" in data) != (data["form"] == "entries")
                                             or data.get("system_key") == data["administrator"]["public"]):
        raise Refused("system_key stands exactly with form entries, and is another key")
    if entry["kind"] in DATA and entry["kind"] != "ledger.opened" and not KEY_ID(named):
        raise Refused("the entity of a key event is a key")
    if entry["kind"] == "key.enrolled" and key_id_of(decode_public(data["public"])) != named:
        raise Refused("the entity is another key")
    return leaf, entry

def counting_scope(scope):  # Section 6: the scope cut to two segments.
    return "/".join(scope.split("/")[:3])

def genesis_fits(data, origin):  # Section 14.1, step 2.3: `name` and `vkey` fit the origin.
    key = attempt(LogKey, data["vkey"])
    return key is not None and key.origin == origin and data["name"] == origin.split("/")[0]

def statement_of(entry, use):  # Section 5: what an author key signs.
    attestation = entry["attestation"]
    if use == "entry":
        unsigned = {"key": attestation["key"], "seq": attestation["seq"]}
        return b"chancery/entry/v1\n" + write(dict(entry, attestation=unsigned))
    statement = {name: entry[name] for name in ("actor", "entity", "log", "scope")}
    statement.update((name, entry["by"][name]) for name in entry["by"] if name not in ("policy", "rules"))
    statement.update(author=attestation["key"], seq=attestation["seq"])
    return b"chancery/request/v1\n" + write(statement)

def part_recomputes(part, commitment, context):  # Section 4 for the commitment, section 6 for the bounds.
    data = write(part["value"])
    try:
        check_profile(part["value"], PART_NODES)
    except Refused:
        return False
    return (is_object(part["value"]) and nesting(data) <= PART_DEPTH and len(data) <= PART
            and digest(context, bytes.fromhex(part["salt"]) + data) == commitment)

# ---- Section 14.1: verification of an export
class Verifier:
    """The state of section 14.1 and its steps."""

    def __init__(self, log_key, trusted):
        self.log_key, self.trusted, self.contradicted = log_key, trusted, []
        self.start = self.position = self.end = self.good = self.attested = self.unchecked = 0
        self.address = self.time = self.form = self.signed_size = None
        self.count, self.keys, self.suspected, self.last_signed = {}, {}, {}, {}
        self.forked = self.truncated = self.has_checkpoint = self.other_log = False
        self.hash = blake3(derive_key_context="chancery 2026 export")

    def run(self, stream):  # Section 14: reads line by line and stops at the first finding.
        finding = None
        try:
            self.read_header(stream)
            if not self.other_log:
                self.read_lines(stream)
        except Finding as found:
            finding = found
        return self.result(finding)

    def read_header(self, stream):  # Step 1, and the errors below the verdict table.
        raw = stream.readline(EXPORT_LINE + 1)
        header = attempt(parse_canonical, raw[:-1] if raw.endswith(b"\n") else raw)
        if len(raw) > EXPORT_LINE or not is_object(header) or "export" not in header:
            raise NotVerifiable("not_an_export", 2)
        if header["export"] != "chancery/v0":
            raise NotVerifiable("newer_format", 2)
        if (not HEADER(header) or header["from"] > header["to"]
                or len(header["frontier"]) != bin(header["from"]).count("1")):
            raise Finding("header_invalid")
        self.hash.update(raw)
        self.origin, self.parts, self.end = header["origin"], header["parts"], header["to"]
        self.start = self.position = self.good = self.last_head = header["from"]
        if self.log_key is not None and self.log_key.origin != self.origin:
            self.other_log, self.trusted = True, {}
            return
        self.tree = Tree(self.start, [bytes.fromhex(item) for item in header["frontier"]])
        if self.start == 0:
            self.address, self.time = "b3:" + "0" * 64, 0
        self.compare_with_trusted()

    def read_lines(self, stream):
        # Steps 2, 4, 5 and 7: length, end of file and form of a line, then the step for that form.
        steps = {"entry": self.read_entry, "head": self.read_head, "checkpoint": self.read_checkpoint}
        while True:
            raw = stream.readline(EXPORT_LINE + 1)
            if len(raw) <= EXPORT_LINE and not raw.endswith(b"\n"):
                self.truncated = True
                return
            line = attempt(parse_canonical, raw[:-1]) if len(raw) <= EXPORT_LINE else None
            form = next((name for name, fits in LINES.items() if fits(line)), None)
            if form is None:
                raise Finding("line_invalid", self.position, self.position)
            if form == "trailer":
                self.read_trailer(line["end"], stream)
                return
            if self.has_checkpoint:
                raise Finding("checkpoint_misplaced")
            steps[form](line)
            self.hash.update(raw)

    def read_entry(self, line):  # Step 2, in its order.
        at = self.position
        if at == self.end:
            raise Finding("entry_surplus", at, at)
        leaf, entry = attempt(parse_leaf, line["leaf"]) or (None, None)
        if entry is None:
            raise Finding("leaf_invalid", at, at)
        self.check_chain(entry)
        self.check_parts(line, entry)
        if at == 0:
            if not genesis_fits(entry["data"], self.origin):
                raise Finding("genesis_invalid", at, at)
            self.open_ledger(entry["data"])
        self.check_author(entry)
        self.apply_key_event(entry)
        self.position += 1
        self.address, self.time = digest("chancery 2026 entry", leaf), entry["time"]
        self.count[counting_scope(entry["scope"])] = entry["n"] + 1
        self.tree.append(leaf)
        self.compare_with_trusted()

    def check_chain(self, entry):  # Step 2.3. With from > 0, what no entry has set yet is taken as found (step 1).
        at, first_count = self.position, entry["n"] if self.start else 0
        bounds = entry["cause"] + [at]
        opens = entry["kind"] == "ledger.opened"
        for code, holds in (
            ("log_mismatch", entry["log"] == self.origin),
            ("position_mismatch", entry["position"] == at),
            ("prev_mismatch", self.address in (None, entry["prev"])),
            ("time_backwards", self.time is None or entry["time"] >= self.time),
            ("count_mismatch", entry["n"] == self.count.get(counting_scope(entry["scope"]), first_count)),
            ("cause_invalid", all(low < high for low, high in zip(bounds, bounds[1:]))),
            ("genesis_invalid", opens == (at == 0)),
        ):
            if not holds:
                raise Finding(code, max(at - 1, 0) if code == "prev_mismatch" else at, at)

    def check_parts(self, line, entry):  # Step 2.4.
        at, expected, present = self.position, {}, set(line) - {"leaf"}
        if self.parts and "private" in entry:
            expected["private"] = entry["private"]
        if self.parts and "by" in entry:
            expected["args"] = entry["by"]["args"]
        if set(expected) - present:
            raise Finding("part_missing", at, at)
        if present - set(expected):
            raise Finding("part_unexpected", at, at)
        if not all(part_recomputes(line[name], expected[name], "chancery 2026 " + name) for name in expected):
            raise Finding("part_mismatch", at, at)

    def check_author(self, entry):  # Step 2.5.
        at, attestation = self.position, entry.get("attestation")
        if attestation is None:
            if self.form == "entries":
                raise Finding("author_missing", at, at)
            return
        key = self.keys.get(attestation["key"])
        self.last_signed[attestation["key"]] = at
        if key is None and self.start > 0:
            self.unchecked += 1
            return
        if key is None or not key.live or key.use == "request" and (
                "by" not in entry or key.principal != entry["actor"]["principal"]):
            raise Finding("author_key", at, at)
        if attestation["seq"] != key.next:
            raise Finding("author_seq", at, at)
        if not signature_is_valid(key.public, statement_of(entry, key.use), decode_base64(attestation["sig"], 64)):
            raise Finding("author_signature", at, at)
        key.next += 1
        self.attested += 1

    def enrol(self, principal, public_text, use):
        # Section 5: a key is enrolled once.
        public = decode_public(public_text)
        if key_id_of(public) in self.keys:
            raise Finding("leaf_invalid", self.position, self.position)
        self.keys[key_id_of(public)] = SimpleNamespace(
            principal=principal, public=public, use=use, next=1, live=True)

    def open_ledger(self, data):
        # Section 10.1; before the attestation of entry 0, whose keys sign from position 0 (section 5).
        self.form = data["form"]
        self.enrol(data["administrator"]["id"], data["administrator"]["public"], "request")
        if self.form == "entries":
            self.enrol("system", data["system_key"], "entry")

    def apply_key_event(self, entry):
        # Step 2.6, section 10.4; `principal.revoked` ends the keys of its principal (section 10.3).
        kind, data, subject = entry["kind"], entry["data"], entry["entity"]["id"]
        named = "k:" + subject
        if kind == "key.enrolled":
            self.enrol(data["principal"], data["public"], data["use"])
        elif kind == "key.suspected":
            self.suspected[named] = min(self.suspected.get(named, MAX_INTEGER), data["from"])
        elif kind in ("key.rotated", "key.revoked") and named in self.keys:
            self.keys[named].live = False
        elif kind == "principal.revoked":
            for key in self.keys.values():
                key.live = key.live and key.principal != subject

    def compare_with_trusted(self):  # Step 3.
        if self.position in self.trusted and self.trusted[self.position] != {self.tree.root()}:
            self.contradicted.append(self.position)

    def since_good(self):  # The span `good` to p-1; none when that is empty.
        return (self.good, self.position - 1) if self.good < self.position else ()

    def contradicted_span(self):  # The span `good` to the smallest contradicted size - 1; none when that is empty.
        return (self.good, self.contradicted[0] - 1) if self.good < self.contradicted[0] else ()

    def accept_signed_head(self):  # Step 4: what follows from a valid signature of the pinned key.
        self.forked = bool(self.contradicted)
        if self.forked:
            raise Finding("head_contradicted", *self.contradicted_span())
        self.good = self.signed_size = self.position

    def read_head(self, line):  # Step 4.
        at, head = self.position, line["head"]
        if head["size"] != at or at <= self.last_head:
            raise Finding("head_misplaced", *((at - 1, at - 1) if at > 0 else ()))
        self.last_head = at
        if self.log_key is not None:
            signed = checkpoint_text(self.origin, at, self.tree.root())
            if not signature_is_valid(self.log_key.public, signed, decode_base64(head["sig"], 64)):
                raise Finding("head_signature", *self.since_good())
            self.accept_signed_head()

    def read_checkpoint(self, line):  # Step 5.
        size, root, signatures = attempt(parse_note, line["checkpoint"], self.origin) or (None, None, None)
        if size is None:
            raise Finding("checkpoint_invalid")
        if size < self.position:
            raise Finding("checkpoint_misplaced")
        self.has_checkpoint = True
        ours = [signature for name, key_id, signature in signatures
                if self.log_key is not None and (name, key_id) == (self.log_key.origin, self.log_key.id)]
        signed = checkpoint_text(self.origin, size, root)
        if not all(signature_is_valid(self.log_key.public, signed, signature) for signature in ours):
            raise Finding("head_signature", *self.since_good())
        if size > self.position:
            self.truncated = True
        elif root != self.tree.root():
            raise Finding("root_mismatch", *self.since_good())
        elif ours:
            self.accept_signed_head()

    def read_trailer(self, end, stream):  # Steps 6 and 7.
        if not self.has_checkpoint:
            raise Finding("checkpoint_invalid")
        if end["digest"] != "b3:" + self.hash.hexdigest():
            raise Finding("digest_mismatch")
        if end["entries"] != self.position - self.start:
            raise Finding("trailer_mismatch")
        if stream.read(1):
            raise Finding("trailing_bytes")
        if self.position < self.end:
            self.truncated = True

    def suspect_keys(self):  # Keys that signed where they are suspected, each with that position and the last one.
        return [(max(since, self.start), self.last_signed[key]) for key, since in self.suspected.items()
                if self.last_signed.get(key, -1) >= since]

    def verdict(self, finding):  # Section 14.1, verdict table: the first that holds.
        for verdict, holds in (
            ("forked", self.forked),
            ("tampered", finding is not None or self.contradicted),
            ("truncated", self.truncated),
            ("suspect", self.suspect_keys()),
            ("stale", any(size > self.end for size in self.trusted)),
            ("unverifiable", self.unchecked or (self.log_key is not None and self.signed_size != self.end)
             or any(size < self.start for size in self.trusted)),
            ("integrity_only", self.log_key is None),
        ):
            if holds:
                return verdict
        return "authentic"

    def result(self, finding):  # Sections 14.3 and 16, as far as two verifiers are compared.
        code, *span = finding.args if finding else (None,)
        verdict = self.verdict(finding)
        if not finding and verdict == "tampered":
            code, span = "head_contradicted", self.contradicted_span()
        if verdict == "suspect":
            firsts, lasts = zip(*self.suspect_keys())
            code, span = "author_key", (min(firsts), max(lasts))
        code = {"truncated": "file_ends", "unverifiable": "other_log" if self.other_log else None}.get(verdict, code)
        first, last = span or (None, None)
        return {"verdict": verdict, "code": code, "first": first, "last": last,
                "entries": self.position - self.start, "signed": self.good - self.start, "attested": self.attested}

# ---- Section 12: pin, and the command line
def read_pin(path):  # Section 12: the log key and the newest head verified. `state` is not used, which the SPEC allows.
    with open(path, "rb") as stream:
        data = stream.read()
    pin = attempt(parse_canonical, data[:-1])
    key = attempt(LogKey, pin["vkey"]) if data.endswith(b"\n") and PIN(pin) else None
    if key is None:
        raise NotVerifiable("pin_invalid", 2)
    return key, {pin["size"]: {bytes.fromhex(pin["root"])}}

def verify_file(path, pin_path=None, log_key=None, heads=()):  # Section 14.1: the result to print and the exit code.
    try:
        pinned_key, trusted = (None, {}) if pin_path is None else read_pin(pin_path)
        for size, root in heads:
            trusted.setdefault(size, set()).add(root)
        with open(path, "rb") as stream:
            result = Verifier(log_key or pinned_key, trusted).run(stream)
        return result, EXIT[result["verdict"]]
    except NotVerifiable as error:
        code, exit_code = error.args
        return {"error": code}, exit_code
    except OSError:
        return {"error": "io"}, 5

def head_argument(argument):  # Section 14: a trusted head that is given.
    size, _, root = argument.partition(":")
    if not DECIMAL.fullmatch(size) or not HEX_32(root):
        raise argparse.ArgumentTypeError("expected SIZE:ROOTHEX")
    return int(size), bytes.fromhex(root)

def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?")
    parser.add_argument("--pin", metavar="PINFILE")
    parser.add_argument("--key", metavar="VKEY", type=LogKey, help="takes precedence over the key of the pin")
    parser.add_argument("--head", metavar="SIZE:ROOTHEX", type=head_argument, action="append", default=[])
    parser.add_argument("--batch", action="store_true")
    arguments = parser.parse_args()
    for line in sys.stdin if arguments.batch else ():
        request = json.loads(line)
        key = LogKey(request["key"]) if "key" in request else None
        heads = [head_argument(head) for head in request.get("heads", ())]
        print(json.dumps(verify_file(request["file"], request.get("pin"), key, heads)[0]), flush=True)
    if arguments.batch:
        return 0
    if arguments.file is None:
        parser.error("FILE or --batch is needed")
    result, code = verify_file(arguments.file, arguments.pin, arguments.key, arguments.head)
    print(json.dumps(result))
    return code

if __name__ == "__main__":
    sys.exit(main())
