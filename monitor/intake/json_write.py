"""Columns of texts to JSON lines, so that tables and JSON go through one decoder and mean the same.

A table has one meaning because it has no decoder of its own: its cells are written as the JSON record that a sender
would have sent, and :class:`monitor.intake.jsonl.JsonLinesDecoder` judges that. Ids, digests and reasons of refusal are
equal by construction. Writing costs a fraction of decoding.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from monitor.intake.compiled import kernel

_QUOTE, _BACKSLASH, _SPACE = 0x22, 0x5C, 0x20
_ESCAPED_BYTES_MAX = 6
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


def json_lines(texts: Mapping[str, pa.Array]) -> bytes:
    """One object a line with the fields that are not null, as JSON strings, each line ended by a newline.

    The bytes of a text are taken as they are; only quotes, backslashes and control characters are escaped.

    >>> json_lines({"a": pa.array(['x"', None]), "b": pa.array(["1", None])})
    b'{"a":"x\\\\"","b":"1"}\\n{}\\n'
    """
    names = list(texts)
    columns = [_spans(texts[name]) for name in names]
    rows = len(columns[0][1]) if columns else 0
    if not rows:
        return b""
    sizes = np.cumsum([0, *(len(data) for data, _, _ in columns)])
    data = np.concatenate([data for data, _, _ in columns])
    starts = np.stack([np.where(start < 0, -1, start + base) for (_, start, _), base in
                       zip(columns, sizes[:-1], strict=True)], axis=1)  # fmt: skip
    lengths = np.stack([length for _, _, length in columns], axis=1)
    labels = [f'"{name}":"'.encode() for name in names]
    label_ends = np.cumsum([0, *(len(label) for label in labels)])
    label_bytes = np.frombuffer(b"".join(labels), np.uint8)
    escapes = int(np.count_nonzero((data < _SPACE) | (data == _QUOTE) | (data == _BACKSLASH)))
    fixed = rows * (3 + int(label_ends[-1]) + 2 * len(names))
    out = np.empty(fixed + int(lengths[starts >= 0].sum()) + escapes * (_ESCAPED_BYTES_MAX - 1), np.uint8)
    used = _write_rows(out, data, starts, lengths, label_bytes, label_ends)
    return out[:used].tobytes()


def _spans(texts: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The bytes of a column, and where each text starts (``-1`` where null) and its length."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    texts = texts.cast(pa.large_binary())
    _, offset_buffer, byte_buffer = texts.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = np.frombuffer(byte_buffer or b"", np.uint8)[offsets[0] : offsets[-1]]
    starts = offsets[:-1] - offsets[0]
    if texts.null_count:
        starts = np.where(texts.is_null().to_numpy(zero_copy_only=False), -1, starts)
    return data, starts, np.diff(offsets)


@kernel
def _write_rows(out, data, starts, lengths, labels, label_ends):  # type: ignore[no-untyped-def]
    at = 0
    for row in range(starts.shape[0]):
        out[at] = 0x7B
        at += 1
        is_first = True
        for field in range(starts.shape[1]):
            start = starts[row, field]
            if start < 0:
                continue
            if not is_first:
                out[at] = 0x2C
                at += 1
            is_first = False
            for index in range(label_ends[field], label_ends[field + 1]):
                out[at] = labels[index]
                at += 1
            for index in range(start, start + lengths[row, field]):
                byte = data[index]
                if byte < _SPACE:
                    out[at : at + 4] = _U00
                    out[at + 4] = _HEX[byte >> 4]
                    out[at + 5] = _HEX[byte & 15]
                    at += 6
                elif byte in (_QUOTE, _BACKSLASH):
                    out[at] = _BACKSLASH
                    out[at + 1] = byte
                    at += 2
                else:
                    out[at] = byte
                    at += 1
            out[at] = _QUOTE
            at += 1
        out[at] = 0x7D
        out[at + 1] = 0x0A
        at += 2
    return at


_U00 = np.frombuffer(b"\\u00", np.uint8)
