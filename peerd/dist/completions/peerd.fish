# fish completion for peerd(8)
set -l commands run status monitor doctor relay options help
complete -c peerd -f
complete -c peerd -n "not __fish_seen_subcommand_from $commands" -a "$commands"
complete -c peerd -n "__fish_seen_subcommand_from run" -l systemd -d "As peerd.service starts it"
complete -c peerd -n "__fish_seen_subcommand_from run" -l interface -x -a "(ls /sys/class/net)" -d "Serve this interface only"
complete -c peerd -n "__fish_seen_subcommand_from run" -l lan -x -a "(ls /sys/class/net)" -d "Look for peers there too"
complete -c peerd -n "__fish_seen_subcommand_from run" -l manage-firewall -d "Open our port"
complete -c peerd -n "__fish_seen_subcommand_from status doctor" -l json -d "For programs"
complete -c peerd -n "__fish_seen_subcommand_from options" -l undo -d "Put them back"
complete -c peerd -n "__fish_seen_subcommand_from options" -l direct -d "One side server, the other client"
