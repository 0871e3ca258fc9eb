# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_peerd_global_optspecs
    string join \n h/help V/version
end

function __fish_peerd_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_peerd_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_peerd_using_subcommand
    set -l cmd (__fish_peerd_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c peerd -n "__fish_peerd_needs_command" -s h -l help -d 'Print help'
complete -c peerd -n "__fish_peerd_needs_command" -s V -l version -d 'Print version'
complete -c peerd -n "__fish_peerd_needs_command" -f -a "run" -d 'Serve the cables of this machine until stopped'
complete -c peerd -n "__fish_peerd_needs_command" -f -a "status" -d 'Show what is linked with whom'
complete -c peerd -n "__fish_peerd_needs_command" -f -a "doctor" -d 'Find what is wrong, on which side, and the command that fixes it'
complete -c peerd -n "__fish_peerd_needs_command" -f -a "monitor" -d 'Show the links live, with bars for each second'
complete -c peerd -n "__fish_peerd_needs_command" -f -a "peers" -d 'List the machines on the LANs, with their games'
complete -c peerd -n "__fish_peerd_needs_command" -f -a "pair" -d 'Make a key with a machine on a LAN: shows a code to enter there, or tries the one shown there'
complete -c peerd -n "__fish_peerd_needs_command" -f -a "forget" -d 'Forget the key of a machine: on a LAN it is a stranger again'
complete -c peerd -n "__fish_peerd_needs_command" -f -a "key" -d 'Make a key for two machines: set it as `GAMELINK_KEY` on both, and nobody else can join or listen'
complete -c peerd -n "__fish_peerd_needs_command" -f -a "relay" -d 'Link a stock Gambatte core at this end, a "Network Client" of 127.0.0.1 (see `options`); run it as the player'
complete -c peerd -n "__fish_peerd_needs_command" -f -a "options" -d 'Write the stock Gambatte core\'s link options into RetroArch\'s files; run it as the player, with RetroArch closed'
complete -c peerd -n "__fish_peerd_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c peerd -n "__fish_peerd_using_subcommand run" -l interface -d 'Serve this interface, of any kind, and none but those named so; may be given several times' -x -a "(ls /sys/class/net)"
complete -c peerd -n "__fish_peerd_using_subcommand run" -l lan -d 'Also look for machines on this LAN interface, whose MAC and addresses are never touched; may be given several times' -x -a "(ls /sys/class/net)"
complete -c peerd -n "__fish_peerd_using_subcommand run" -l state -d 'Folder of the keys of machines that this one has met' -r -F
complete -c peerd -n "__fish_peerd_using_subcommand run" -l control -d 'Where games and tools connect' -r -F
complete -c peerd -n "__fish_peerd_using_subcommand run" -l name -d 'Name of this machine that the other player sees [default: the host\'s name]' -r
complete -c peerd -n "__fish_peerd_using_subcommand run" -l cables-file -d 'A list of further cables: a driver\'s name or VENDOR:PRODUCT a line, `#` starts a comment' -r -F
complete -c peerd -n "__fish_peerd_using_subcommand run" -l exit-idle -d 'Stop after this many seconds without a cable and without a client, for socket activation' -r
complete -c peerd -n "__fish_peerd_using_subcommand run" -l open -d 'On LANs, link games with machines that have no key of this one as well: anybody there can join'
complete -c peerd -n "__fish_peerd_using_subcommand run" -l ipv4 -d 'Use IPv4 on the cables, which a stock core without the relay needs'
complete -c peerd -n "__fish_peerd_using_subcommand run" -l manage-firewall -d 'Open two UDP ports on the cables and the LANs of `--lan` only, in the firewall of this machine; closed on stop'
complete -c peerd -n "__fish_peerd_using_subcommand run" -s v -l verbose -d 'Log more; twice for everything'
complete -c peerd -n "__fish_peerd_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c peerd -n "__fish_peerd_using_subcommand status" -l control -d 'Where the daemon listens' -r -F
complete -c peerd -n "__fish_peerd_using_subcommand status" -l json -d 'Print JSON, with everything that the daemon knows'
complete -c peerd -n "__fish_peerd_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c peerd -n "__fish_peerd_using_subcommand doctor" -l control -d 'Where the daemon listens' -r -F
complete -c peerd -n "__fish_peerd_using_subcommand doctor" -l json -d 'Print JSON: a list of findings'
complete -c peerd -n "__fish_peerd_using_subcommand doctor" -l folders -d 'Print only RetroArch\'s folders, for programs: of cores and of their descriptions, a tab between'
complete -c peerd -n "__fish_peerd_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c peerd -n "__fish_peerd_using_subcommand monitor" -l control -d 'Where the daemon listens' -r -F
complete -c peerd -n "__fish_peerd_using_subcommand monitor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c peerd -n "__fish_peerd_using_subcommand peers" -l control -d 'Where the daemon listens' -r -F
complete -c peerd -n "__fish_peerd_using_subcommand peers" -l json -d 'Print JSON'
complete -c peerd -n "__fish_peerd_using_subcommand peers" -s h -l help -d 'Print help'
complete -c peerd -n "__fish_peerd_using_subcommand pair" -l control -d 'Where the daemon listens' -r -F
complete -c peerd -n "__fish_peerd_using_subcommand pair" -l code -d 'The code that the other machine shows' -r
complete -c peerd -n "__fish_peerd_using_subcommand pair" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c peerd -n "__fish_peerd_using_subcommand forget" -l control -d 'Where the daemon listens' -r -F
complete -c peerd -n "__fish_peerd_using_subcommand forget" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c peerd -n "__fish_peerd_using_subcommand key" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c peerd -n "__fish_peerd_using_subcommand relay" -l control -d 'Where the daemon listens' -r -F
complete -c peerd -n "__fish_peerd_using_subcommand relay" -l port -d 'The TCP port that the stock core connects to: 56400 to 56420' -r
complete -c peerd -n "__fish_peerd_using_subcommand relay" -l peer -d 'The other end, where no daemon knows it: ADDRESS:PORT or [ADDRESS%INTERFACE]:PORT, several with commas' -r
complete -c peerd -n "__fish_peerd_using_subcommand relay" -s v -l verbose -d 'Log more; twice for everything'
complete -c peerd -n "__fish_peerd_using_subcommand relay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c peerd -n "__fish_peerd_using_subcommand options" -l control -d 'Where the daemon listens' -r -F
complete -c peerd -n "__fish_peerd_using_subcommand options" -l config -d 'RetroArch\'s folder [default: found]' -r -f -a "(__fish_complete_directories)"
complete -c peerd -n "__fish_peerd_using_subcommand options" -l port -d 'The TCP port of `peerd relay`, or of the server with --direct' -r
complete -c peerd -n "__fish_peerd_using_subcommand options" -l direct -d 'Without the relay: one side is the server, the other its client (needs `peerd run --ipv4` at both ends)'
complete -c peerd -n "__fish_peerd_using_subcommand options" -l undo -d 'Restore the former options'
complete -c peerd -n "__fish_peerd_using_subcommand options" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c peerd -n "__fish_peerd_using_subcommand help; and not __fish_seen_subcommand_from run status doctor monitor peers pair forget key relay options help" -f -a "run" -d 'Serve the cables of this machine until stopped'
complete -c peerd -n "__fish_peerd_using_subcommand help; and not __fish_seen_subcommand_from run status doctor monitor peers pair forget key relay options help" -f -a "status" -d 'Show what is linked with whom'
complete -c peerd -n "__fish_peerd_using_subcommand help; and not __fish_seen_subcommand_from run status doctor monitor peers pair forget key relay options help" -f -a "doctor" -d 'Find what is wrong, on which side, and the command that fixes it'
complete -c peerd -n "__fish_peerd_using_subcommand help; and not __fish_seen_subcommand_from run status doctor monitor peers pair forget key relay options help" -f -a "monitor" -d 'Show the links live, with bars for each second'
complete -c peerd -n "__fish_peerd_using_subcommand help; and not __fish_seen_subcommand_from run status doctor monitor peers pair forget key relay options help" -f -a "peers" -d 'List the machines on the LANs, with their games'
complete -c peerd -n "__fish_peerd_using_subcommand help; and not __fish_seen_subcommand_from run status doctor monitor peers pair forget key relay options help" -f -a "pair" -d 'Make a key with a machine on a LAN: shows a code to enter there, or tries the one shown there'
complete -c peerd -n "__fish_peerd_using_subcommand help; and not __fish_seen_subcommand_from run status doctor monitor peers pair forget key relay options help" -f -a "forget" -d 'Forget the key of a machine: on a LAN it is a stranger again'
complete -c peerd -n "__fish_peerd_using_subcommand help; and not __fish_seen_subcommand_from run status doctor monitor peers pair forget key relay options help" -f -a "key" -d 'Make a key for two machines: set it as `GAMELINK_KEY` on both, and nobody else can join or listen'
complete -c peerd -n "__fish_peerd_using_subcommand help; and not __fish_seen_subcommand_from run status doctor monitor peers pair forget key relay options help" -f -a "relay" -d 'Link a stock Gambatte core at this end, a "Network Client" of 127.0.0.1 (see `options`); run it as the player'
complete -c peerd -n "__fish_peerd_using_subcommand help; and not __fish_seen_subcommand_from run status doctor monitor peers pair forget key relay options help" -f -a "options" -d 'Write the stock Gambatte core\'s link options into RetroArch\'s files; run it as the player, with RetroArch closed'
complete -c peerd -n "__fish_peerd_using_subcommand help; and not __fish_seen_subcommand_from run status doctor monitor peers pair forget key relay options help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
