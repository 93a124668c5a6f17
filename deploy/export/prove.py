#!/usr/bin/env python3
"""Proves an export without Fengqiao: prove.py FILE [ROOT-FINGERPRINT]. Standard library only; the form is in FORMAT.md.

Checks the file's hash and signature, every entry's hash, body and signature, that each author was named before by a
registry entry, and that each entry follows one seen before. Who may write where is left to `fengqiao export verify`.
"""
import base64, hashlib, json, sys

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def point(bytes_):
    """An Ed25519 point, RFC 8032 5.1.3."""
    number = int.from_bytes(bytes_, "little")
    y, odd = number & (2**255 - 1), number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - square) % P or (x == 0 and odd):
        raise ValueError("not a point")
    return (x if x & 1 == odd else P - x, y)


def add(one, other):
    (a, b), (c, d) = one, other
    k = D * a * b * c * d % P
    x = (a * d + b * c) * pow(1 + k, P - 2, P)
    y = (b * d + a * c) * pow(1 - k, P - 2, P)
    return (x % P, y % P)


def times(factor, at):
    result = (0, 1)
    while factor:
        if factor & 1:
            result = add(result, at)
        at, factor = add(at, at), factor >> 1
    return result


BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def signed(key, message, signature):
    """An Ed25519 signature, RFC 8032 5.1.7."""
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L
    return times(s, BASE) == add(point(r), times(k, point(key)))


def fields(message):
    """Length-delimited fields of a protobuf message by number; others are passed over."""
    found, at = {}, 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    while at < len(message):
        tag = varint()
        number = varint() if tag & 7 in (0, 2) else 0
        if tag & 7 == 2:
            found.setdefault(tag >> 3, []).append(message[at : at + number])
            at += number
        elif tag & 7 in (1, 5):
            at += 8 if tag & 7 == 1 else 4
    return found


def prove(path, root=None):
    keys, seen, before, entries = {}, set(), hashlib.sha256(), 0
    with open(path, "rb") as file:
        lines = file.read().split(b"\n")
    assert lines.pop() == b"", "the file ends early"
    header, end = json.loads(lines[0]), json.loads(lines[-1])
    assert header["record"] == "header" and header["format"] == 1 and end["record"] == "end"
    root_key, signing_key = bytes.fromhex(header["root_key"]), bytes.fromhex(header["signing_key"])
    fingerprint = sha256(bytes.fromhex("302a300506032b6570032100"), root_key).hex()
    assert root in (None, fingerprint), "another deployment's"
    for line in lines[:-1]:
        before.update(line + b"\n")
    assert before.hexdigest() == end["sha256"], "the lines are not those that were signed"
    message = b"fengqiao/export/1\0" + before.digest()
    assert signed(signing_key, message, bytes.fromhex(end["signature"])), "the file's signature"
    for line in map(json.loads, lines[1:-1]):
        outer = fields(base64.b64decode(line["signed"], validate=True))
        envelope, signature, body = (outer[number][0] for number in (1, 2, 3))
        hash_ = sha256(b"fengqiao/entry/1\0", envelope).hex()
        assert hash_ == line["hash"], "the entry's hash"
        body_hash = base64.b64decode(line["envelope"]["bodyHash"])
        assert fields(envelope)[18] == [body_hash], "the envelope is told otherwise than it was signed"
        assert sha256(b"fengqiao/body/1\0", body) == body_hash, "the body's hash"
        by_root = line["move"] in ("root-granted", "root-renewed")
        key = root_key if by_root else keys[line["envelope"]["author"]]
        assert signed(key, b"fengqiao/entry-signature/1\0" + envelope, signature), "an entry's signature"
        assert line["previous"] in seen | {None}, "an entry is missing"
        for content in ("rootGranted", "rootRenewed", "nodeEnrolled"):
            named = ((line["body"] or {}).get("registry") or {}).get(content)
            if named and isinstance(named["node"], dict):
                named = named["node"]
            if named:
                keys[named["node"]] = base64.b64decode(named["signingKey"])
        seen.add(hash_)
        entries += 1
    assert signing_key in keys.values(), "not signed by a node that the registry names"
    assert entries == end["entries"], "it counts other entries"
    print(f"{entries} entries hold; root key {fingerprint}")


if __name__ == "__main__":
    prove(*sys.argv[1:3])
