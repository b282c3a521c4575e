/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdio.h>
#include <string.h>

#include "error.h"

/* Ends a text that was cut in the middle of a UTF-8 sequence before that sequence: what prints errors as JSON refuses
 * half a character. */
static void error_trim(char *text)
{
	size_t length = strlen(text), start = length;

	while (start > 0 && length - start < 3 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
		start--;
	if (start == 0)
		return;
	unsigned char lead = (unsigned char)text[start - 1];
	size_t wanted = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
	if (length - start < wanted)
		text[start - 1] = '\0';
}

static void error_store(struct error *error, const char *text, int length)
{
	size_t size = strlen(text);

	memcpy(error->text, text, size + 1);
	for (char *c = error->text; *c; c++)
		if (*c == '\n' || *c == '\r')
			*c = ' ';
	if (length >= ERROR_TEXT_MAX)
		error_trim(error->text);
}

int error_set(struct error *error, int code, const char *format, ...)
{
	/* Not straight into error->text: the old sentence may be one of the arguments. */
	char text[ERROR_TEXT_MAX];
	va_list arguments;

	if (!error)
		return code;
	va_start(arguments, format);
	int length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (length < 0)
		text[0] = '\0';
	error_store(error, text, length);
	error->code = code;
	return code;
}

int error_wrap(struct error *error, int code, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list arguments;

	if (!error)
		return code;
	va_start(arguments, format);
	int length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (length < 0)
		text[0] = '\0', length = 0;
	if (length < ERROR_TEXT_MAX && error->code) {
		int more = snprintf(text + length, sizeof(text) - (size_t)length, ": %s", error->text);

		length = more < 0 ? length : length + more;
	}
	error_store(error, text, length);
	if (!error->code)
		error->code = code;
	return error->code;
}
