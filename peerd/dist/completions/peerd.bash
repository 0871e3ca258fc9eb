# bash completion for peerd(8)

_peerd() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words
	case $previous in
	--interface | --lan)
		words=$(cd /sys/class/net && echo *)
		;;
	--control | --cables-file | --config | --state)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
		;;
	*)
		case ${COMP_WORDS[1]} in
		run) words="--interface --lan --open --state --control --name --cables-file --ipv4 --manage-firewall --exit-idle -v --verbose --help" ;;
		status) words="--control --json --help" ;;
		doctor) words="--control --json --folders --help" ;;
		monitor) words="--control --help" ;;
		peers) words="--control --json --help" ;;
		pair) words="--control --code --help" ;;
		forget) words="--control --help" ;;
		key) words="--help" ;;
		relay) words="--control --port --peer -v --verbose --help" ;;
		options) words="--control --config --port --direct --undo --help" ;;
		*) words="run status monitor doctor peers pair forget key relay options help --help --version" ;;
		esac
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _peerd peerd
