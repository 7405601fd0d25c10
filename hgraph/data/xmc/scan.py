"""Compiled scanner of lines such as `3,17 0:0.5 4:1.25`. Imports numba; import it where it is needed."""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["BAD_LABEL", "BAD_PAIR", "FINE", "HIGH_COLUMN", "HIGH_LABEL", "scan_lines"]

FINE, BAD_LABEL, BAD_PAIR, HIGH_LABEL, HIGH_COLUMN = range(5)

SPACE, TAB, CARRIAGE, NEWLINE = 32, 9, 13, 10
COMMA, COLON, DOT, PLUS, MINUS = 44, 58, 46, 43, 45
ZERO, NINE, UPPER_E, LOWER_E = 48, 57, 69, 101
MAX_DIGITS = 18  # of a whole number that int64 holds
MAX_POWER = 22  # 10 to this power is exact in a float64
POWERS = np.array([10.0**power for power in range(MAX_POWER + 1)])


@njit(cache=True, nogil=True)
def _is_blank(byte):
    return byte in (SPACE, TAB, CARRIAGE)


@njit(cache=True, nogil=True)
def _ends(byte):
    return byte in (NEWLINE, SPACE, TAB, CARRIAGE)


@njit(cache=True, nogil=True)
def _whole_number(data, position):
    """A number without a sign, and where it ends; -1 where there is none or it is too long."""
    start, value = position, np.int64(0)
    while ZERO <= data[position] <= NINE:
        value = value * 10 + (data[position] - ZERO)
        position += 1
        if position - start > MAX_DIGITS:
            return np.int64(-1), position
    return (value if position > start else np.int64(-1)), position


@njit(cache=True, nogil=True)
def _decimal(data, position):
    """A decimal number: its value, whether float32 of it is surely right, and where it ends (-1: malformed)."""
    sign = 1.0
    if data[position] == MINUS or data[position] == PLUS:
        sign = -1.0 if data[position] == MINUS else 1.0
        position += 1
    mantissa, digits, power, seen, sure = np.int64(0), 0, 0, 0, True
    point = False
    while ZERO <= data[position] <= NINE or (data[position] == DOT and not point):
        if data[position] == DOT:
            point = True
        else:
            seen += 1
            if digits < MAX_DIGITS:
                mantissa = mantissa * 10 + (data[position] - ZERO)
                digits += mantissa > 0
                power -= point
            else:
                sure = False
        position += 1
    if seen == 0:
        return 0.0, True, -1
    if data[position] == UPPER_E or data[position] == LOWER_E:
        position += 1
        negative = data[position] == MINUS
        if negative or data[position] == PLUS:
            position += 1
        exponent, position = _whole_number(data, position)
        if exponent < 0:
            return 0.0, True, -1
        power += -exponent if negative else exponent
    if not _ends(data[position]):
        return 0.0, True, -1
    if mantissa == 0 and sure:
        return 0.0, True, position
    if not sure or abs(power) > MAX_POWER:
        return 0.0, False, position
    value = mantissa * POWERS[power] if power >= 0 else mantissa / POWERS[-power]
    # Two roundings came before: far from the middle of two float32 they change nothing.
    sure = np.float32(value * (1 - 4e-16)) == np.float32(value * (1 + 4e-16))
    return sign * value, sure, position


@njit(cache=True, nogil=True)
def _has_labels(data, position):
    """Whether the line begins with labels: not with a blank, its end, or a pair."""
    if _ends(data[position]):
        return False
    while not _ends(data[position]):
        if data[position] == COLON:
            return False
        position += 1
    return True


@njit(cache=True, nogil=True)
def scan_lines(data, labelled, num_labels, num_columns, label_ends, labels, pair_ends, columns, values, unsure):
    """Read whole lines into arrays that the caller made large enough.

    Args:
        data: uint8 [B], whole lines, the last byte a line feed.
        labelled: Whether labels may stand first.
        num_labels: Labels must be below.
        num_columns: Columns must be below.
        label_ends: int64 [lines], filled: number of labels up to the end of each line.
        labels: int32 [commas + lines], filled.
        pair_ends: int64 [lines], filled: number of pairs up to the end of each line.
        columns: int32 [colons], filled.
        values: float32 [colons], filled.
        unsure: int64 [colons, 2], filled with (number of the pair, first byte) of values to be read again, exactly.

    Returns:
        A code (`FINE` or what is wrong), the line and the byte of what is wrong, the number of unsure values.
    """
    position, line, num_labels_read, pairs, doubts = 0, 0, 0, 0, 0
    while position < len(data):
        if labelled and _has_labels(data, position):
            while True:
                start = position
                label, position = _whole_number(data, position)
                if label < 0 or not (data[position] == COMMA or _ends(data[position])):
                    return BAD_LABEL, line, start, doubts
                if label >= num_labels:
                    return HIGH_LABEL, line, start, doubts
                labels[num_labels_read] = label
                num_labels_read += 1
                if data[position] != COMMA:
                    break
                position += 1
        while True:
            while _is_blank(data[position]):
                position += 1
            if data[position] == NEWLINE:
                break
            start = position
            column, position = _whole_number(data, position)
            if column < 0 or data[position] != COLON:
                return BAD_PAIR, line, start, doubts
            if column >= num_columns:
                return HIGH_COLUMN, line, start, doubts
            first = position + 1
            value, sure, position = _decimal(data, first)
            if position < 0:
                return BAD_PAIR, line, start, doubts
            if not sure:
                unsure[doubts, 0], unsure[doubts, 1] = pairs, first
                doubts += 1
            columns[pairs], values[pairs] = column, value
            pairs += 1
        label_ends[line], pair_ends[line] = num_labels_read, pairs
        line += 1
        position += 1
    return FINE, line, position, doubts
