#include "text/text.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES = 12, SURE_DIGITS = 15, ENOUGH_DIGITS = 17, PLAIN_BELOW = 16, PLAIN_FROM = -5 };
static const double SCALE = 1e12;

/*
 * A number with up to 12 decimals, as rounded metrics have them; 0: it is none. Of at most 15
 * digits, no other decimal of as few is the same double, so this one is the shortest.
 */
static int short_digits(double value, char *digits)
{
    if (!(value >= 1e-3 && value < 1e3)) {
        return 0;
    }
    uint64_t scaled = (uint64_t)(value * SCALE + 0.5);
    if ((double)scaled / SCALE != value) {
        return 0;
    }
    uint64_t whole = scaled / (uint64_t)SCALE, rest = scaled % (uint64_t)SCALE;
    int size = 1 + (whole >= 10) + (whole >= 100);
    for (int at = size; at-- > 0; whole /= 10) {
        digits[at] = (char)('0' + whole % 10);
    }
    digits[size++] = '.';
    int end = size + PLACES;
    for (int at = end; at-- > size; rest /= 10) {
        digits[at] = (char)('0' + rest % 10);
    }
    while (end > size + 1 && digits[end - 1] == '0') {
        end--;
    }
    return end;
}

/* The digits of the shortest decimal, without zeros at the end, and the power of the first one. */
static int shortest(double value, char *significant, int *power)
{
    char tried[MOST_DIGITS + 8];
    int first = value < DBL_MIN ? 1 : SURE_DIGITS; /* a subnormal has fewer bits */
    for (int digits = first; digits <= ENOUGH_DIGITS; digits++) {
        snprintf(tried, sizeof(tried), "%.*e", digits - 1, value);
        if (strtod(tried, NULL) == value) {
            break;
        }
    }
    int count = 0;
    const char *at = tried;
    for (; *at != 'e'; at++) {
        if (*at >= '0' && *at <= '9') {
            significant[count++] = *at;
        }
    }
    *power = atoi(at + 1);
    while (count > 1 && significant[count - 1] == '0') {
        count--;
    }
    return count;
}

/* As orjson spells it: plain from 0.00001 to below 10^16, else with an exponent. */
static int spelled(const char *significant, int count, int power, char *digits)
{
    if (power < PLAIN_FROM || power >= PLAIN_BELOW) {
        int size = snprintf(digits, MOST_DIGITS, "%c%s%.*s", significant[0], count > 1 ? "." : "",
                            count - 1, significant + 1);
        return size + snprintf(digits + size, (size_t)(MOST_DIGITS - size), "e%s%d", power > 0 ? "+" : "",
                               power);
    }
    if (power < 0) {
        return snprintf(digits, MOST_DIGITS, "0.%.*s%.*s", -power - 1, "0000", count, significant);
    }
    if (count <= power + 1) {
        return snprintf(digits, MOST_DIGITS, "%.*s%.*s.0", count, significant, power + 1 - count,
                        "0000000000000000");
    }
    return snprintf(digits, MOST_DIGITS, "%.*s.%.*s", power + 1, significant, count - power - 1,
                    significant + power + 1);
}

uint8_t number_digits(double value, char digits[MOST_DIGITS])
{
    if (!isfinite(value)) {
        memcpy(digits, "null", 4);
        return 4;
    }
    int sign = signbit(value) != 0;
    digits[0] = '-';
    digits += sign;
    value = fabs(value);
    if (value == 0.0) {
        memcpy(digits, "0.0", 3);
        return (uint8_t)(sign + 3);
    }
    int size = short_digits(value, digits);
    if (size == 0) {
        char significant[ENOUGH_DIGITS + 1];
        int power;
        int count = shortest(value, significant, &power);
        char written[MOST_DIGITS];
        size = spelled(significant, count, power, written);
        memcpy(digits, written, (size_t)size);
    }
    return (uint8_t)(sign + size);
}
