#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# test-client-exports.sh LIBRARY SYMBOLS PAGE INPUT-TEST HEADER PART... - the library exports what its header and that one's parts declare, no more and no
# less, all of it in a version stanza; each function is documented there, named by the manual page, and called by the test of wrong arguments;
# the header stands alone, in C and in C++, brings all its parts, and no structure in it has padding.
set -u
library=$1 symbols=$2 page=$3 input=$4 header=$5 status=0
headers=("${@:5}")

wrong() { echo "$*" >&2; status=1; }

declared=$(grep -ho '^[a-z].*\brdmareg_[a-z_]*(' "${headers[@]}" | grep -o 'rdmareg_[a-z_]*($' | tr -d '(' | sort)
exported=$(nm -D --defined-only --format=posix "$library" | sed -n 's/^\(rdmareg_[a-z_]*\)@@RDMAREG_[0-9.]* .*/\1/p' | sort)
listed=$(sed -n 's/^\t\(rdmareg_[a-z_]*\);$/\1/p' "$symbols" | sort)
[ -n "$declared" ] || wrong "no declarations found"
[ "$declared" = "$exported" ] || wrong "declared and exported differ: $(diff <(echo "$declared") <(echo "$exported"))"
[ "$declared" = "$listed" ] || wrong "declared and listed differ: $(diff <(echo "$declared") <(echo "$listed"))"
nm -D --defined-only --format=posix "$library" | grep -v "@@RDMAREG\|^RDMAREG_" && wrong "something is exported without a version"

for function in $declared; do
	# A comment names it, in full or by the tail of it ("rdmareg_peer_get_fd, _dispatch, ...").
	case $function in
	*_name) continue ;; # explained together, above the enumerations
	rdmareg_last_error*) ;;
	*) grep -q "$function(" "$input" || wrong "$function is not called by ${input##*/}" ;;
	esac
	grep -q "\* .*\b$function\b" "${headers[@]}" || grep -q "\* .*[ ,]${function#rdmareg_peer}\b" "${headers[@]}" ||
		wrong "$function is not explained"
	grep -q "$function()" "$page" || wrong "$function is not in the manual page"
done
for part in "${headers[@]:1}"; do
	grep -q "^#include \"${part##*/}\"$" "$header" || wrong "${part##*/} does not come with the header"
	grep -q "_${part##*/}_" "$page" || wrong "${part##*/} is not in the manual page"
done
for language in c c++; do
	compiler=$([ $language = c++ ] && echo c++ || echo "${CC:-cc}")
	command -v "${compiler%% *}" >/dev/null || continue # a C++ compiler is not among what has to be installed
	# shellcheck disable=SC2086
	echo '#include "rdmareg.h"' | $compiler -x $language -Wall -Wextra -Wpadded -Werror -fsyntax-only -I"$(dirname "$header")" - ||
		wrong "the header does not stand alone in $language, or a structure has padding"
done
exit $status
