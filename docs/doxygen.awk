# SPDX-License-Identifier: MIT
# doxygen.awk - what Doxygen reads instead of a header: its comments in Doxygen's own forms.
#
#   first comment			the file
#   comment before a declaration	its documentation; one below without a comment refers to it
#   comment behind a declaration	documentation of that member
#   ` * @name: text`			@param; @name elsewhere is set as code
#   ` * Return: text`			@return

function words(text,   done, at)
{
	while (match(text, /(^|[^`])@[a-z_]+/)) {
		at = RSTART + index(substr(text, RSTART, 2), "@")	# behind the @
		done = done substr(text, 1, at - 2) "\\p " substr(text, at, RSTART + RLENGTH - at)
		text = substr(text, RSTART + RLENGTH)
	}
	return done text
}

# private members of a struct
/^\t.*[a-z]_;/ { print ""; next }
/SPDX-License/ { print ""; next }

# a comment of its own lines
!inside && /^[ \t]*\/\*/ {
	inside = 1
	is_first = !seen++
	sub(/\/\*+/, is_first ? "/** @file" : "/**")
	commented = 1
}
inside {
	line = $0
	ends = line ~ /\*\//
	if (match(line, /^ \* @[a-z_]+:/)) {
		name = substr(line, 5, RLENGTH - 5)
		line = " * @param " (name ~ /^ret_/ ? "[out] " : "") name words(substr(line, RLENGTH + 1))
		sub(/@param \[out\]/, "@param[out]", line)
	} else {
		if (line !~ /@file/)
			line = words(line)
		sub(/Return: /, "@return ", line)
		sub(/^ \* [a-z_]+(\.h)? - /, " * ", line)
	}
	print line
	if (ends)
		inside = 0
	next
}

# a comment behind a member; its further lines begin with blanks and a star
match($0, /[;,][ \t]*\/\*/) {
	at = RSTART + RLENGTH
	text = words(substr($0, at))
	$0 = substr($0, 1, at - 1) "*<" text
	print
	behind = text !~ /\*\//
	commented = 0
	next
}
behind { print words($0); if (/\*\//) behind = 0; next }

# a declaration directly below another one shares its comment
/^[a-z].*\(/ && $1 != "extern" && !open {
	if (!commented && last != "")
		$0 = "/** See " last "(). */ " $0
	name = $0
	sub(/\(.*/, "", name)
	sub(/.*[ *]/, "", name)
	if (commented)
		last = name
	open = 1
}
/^#define [A-Z]/ {
	if (!commented && last_macro != "")
		$0 = "/** See " last_macro ". */\n" $0
	else
		last_macro = $2
	commented = 0
}
open && /;$/ { open = 0; commented = 0 }
/^$/ && !open { last = last_macro = ""; commented = 0 }
{ print }
