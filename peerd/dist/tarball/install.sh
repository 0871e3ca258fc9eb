#!/bin/sh
# Puts the Gamelink core into the folders that RetroArch lists cores from; `sh install.sh --undo` takes it
# away again. Folders may be named behind it instead: `sh install.sh ~/.config/retroarch/cores`. Nothing else
# is changed.
set -u

here=$(cd "$(dirname "$0")" && pwd) || exit 1
core=gamelink_libretro.so
info=gamelink_libretro.info
undo=
if [ "${1-}" = --undo ]; then
	undo=1
	shift
fi

if [ $# -gt 0 ]; then
	folders=$(for folder in "$@"; do printf '%s\t%s\n' "$folder" "$folder"; done)
else
	# A card that holds no modes cannot say that a file is a program.
	chmod +x "$here/peerd" 2>/dev/null
	folders=$("$here/peerd" doctor --folders) || {
		echo "This machine does not run $here/peerd ($(uname -m)): take the tarball for it, see INSTALL.md." >&2
		exit 1
	}
fi
if [ -z "$folders" ]; then
	echo "No folder of RetroArch's cores was found. Start RetroArch once, or name the folder: sh install.sh FOLDER" >&2
	exit 1
fi

# Where it cannot be written, such as in a system that is read from an image, the next one may be.
failed=0
done=0
tab=$(printf '\t')
while IFS=$tab read -r cores infos; do
	if [ -n "$undo" ]; then
		[ -e "$cores/$core" ] || [ -e "$infos/$info" ] || continue
		rm -f "$cores/$core" "$infos/$info" && echo "removed from $cores" && done=1 && continue
	elif [ ! -w "$cores" ]; then
		echo "passed over, it cannot be written: $cores"
		failed=1
		continue
	else
		# Beside its place first: a RetroArch that runs has the old file open.
		cp "$here/$core" "$cores/$core.new" && mv -f "$cores/$core.new" "$cores/$core" &&
			{ cp "$here/$info" "$infos/$info" 2>/dev/null || cp "$here/$info" "$cores/$info"; } &&
			echo "installed into $cores" && done=1 && continue
	fi
	echo "failed: $cores" >&2
	failed=1
done <<END
$folders
END

if [ $done = 0 ]; then
	[ -n "$undo" ] && [ $failed = 0 ] && echo "nothing of Gamelink's is there" && exit 0
	echo "Nothing was done. As root it may work; else see INSTALL.md." >&2
	exit 1
fi
[ -n "$undo" ] || echo "For a cable, start the daemon as root: $here/peerd run &    (at each start of the machine: INSTALL.md)"
