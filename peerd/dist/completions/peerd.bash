# bash completion for peerd(8)

_peerd() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words
	case $previous in
	--interface | --lan)
		words=$(cd /sys/class/net && echo *)
		;;
	*)
		case ${COMP_WORDS[1]} in
		run) words="--systemd --interface --lan --manage-firewall --help" ;;
		status | doctor) words="--json --help" ;;
		monitor | relay) words="--help" ;;
		options) words="--undo --direct --help" ;;
		*) words="run status monitor doctor relay options help --help --version" ;;
		esac
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _peerd peerd
