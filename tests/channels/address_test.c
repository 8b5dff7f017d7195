/* SPDX-License-Identifier: MIT */
/* address_test.c - addresses as strings. */
#include <criterion/criterion.h>
#include <dhow/address.h>
#include <errno.h>
#include <string.h>

TestSuite(address, .timeout = 200);

static const struct dhow_address sample = { 0xcafe1234, 3, 0x11, 0x2a, 7 };

Test(address, survives_printing_and_parsing)
{
	char text[DHOW_ADDRESS_BYTES];
	struct dhow_address back;

	dhow_address_print(&sample, text);
	cr_assert_eq(dhow_address_parse(text, &back), 0);
	cr_assert_arr_eq(&back, &sample, sizeof(back));
}

Test(address, largest_fits_the_buffer)
{
	struct dhow_address largest = { UINT32_MAX, 999999999, UINT32_MAX, UINT32_MAX, UINT32_MAX };
	char text[DHOW_ADDRESS_BYTES];
	struct dhow_address back;

	dhow_address_print(&largest, text);
	cr_assert_lt(strlen(text), DHOW_ADDRESS_BYTES - 1);
	cr_assert_eq(dhow_address_parse(text, &back), 0);
}

Test(address, needs_no_quoting)
{
	char text[DHOW_ADDRESS_BYTES];

	dhow_address_print(&sample, text);
	cr_assert_eq(strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789.:"), strlen(text));
}

Test(address, every_changed_byte_is_noticed)
{
	char text[DHOW_ADDRESS_BYTES], damaged[DHOW_ADDRESS_BYTES];
	struct dhow_address back;

	dhow_address_print(&sample, text);
	for (size_t i = 5; i < strlen(text); i++)
		for (int c = 1; c < 256; c++) {
			strcpy(damaged, text);
			if (damaged[i] == (char)c)
				continue;
			damaged[i] = (char)c;
			cr_assert_eq(dhow_address_parse(damaged, &back), -EBADMSG, "%s", damaged);
		}
}

Test(address, cut_or_lengthened_is_damaged)
{
	char text[DHOW_ADDRESS_BYTES + 8];
	struct dhow_address back;

	dhow_address_print(&sample, text);
	strcat(text, "0");
	cr_assert_eq(dhow_address_parse(text, &back), -EBADMSG);
	for (size_t n = strlen(text) - 2; n >= 5; n--) {
		text[n] = '\0';
		cr_assert_eq(dhow_address_parse(text, &back), -EBADMSG, "%s", text);
	}
}

Test(address, other_text_is_no_address)
{
	struct dhow_address back;

	cr_assert_eq(dhow_address_parse("results", &back), -EINVAL);
	cr_assert_eq(dhow_address_parse("", &back), -EINVAL);
	cr_assert_eq(dhow_address_parse(NULL, &back), -EINVAL);
}
