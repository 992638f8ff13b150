#!/bin/sh
# section.sh LETTER < words: those that start with the letter, in order, numbered.
set -eu
grep "^$1" | sort | nl -w 3 -s ' '
