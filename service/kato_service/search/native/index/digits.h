/* Hexadecimal digits of names, in lower case. */
#ifndef KATO_DIGITS_H
#define KATO_DIGITS_H

#include "index/segment.h"

/* The value of a digit; -1: it is not one. */
static inline int digit_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Decode 40 digits into a raw name. 0: they are not all digits. */
static inline int name_decode(const char *digits, uint8_t *name)
{
    for (int at = 0; at < NAME_BYTES; at++) {
        int high = digit_value(digits[2 * at]), low = digit_value(digits[2 * at + 1]);
        if (high < 0 || low < 0) {
            return 0;
        }
        name[at] = (uint8_t)(high << 4 | low);
    }
    return 1;
}

#endif
