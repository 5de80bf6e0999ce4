# Completion of weir in bash. Everything is asked of weir itself: what may follow is known there, and by the switch.
_weir()
{
	local cur line word i from=1 options="-c -f -s --json --version --help"
	local -a ask=()
	_get_comp_words_by_ref -n : cur 2>/dev/null || cur=${COMP_WORDS[COMP_CWORD]}
	# Options before the command: -s is passed on, behind -f stands a file.
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s) ask=(-s "${COMP_WORDS[i + 1]}"); i=$((i + 1)); from=$((i + 1)) ;;
		-c | -f) i=$((i + 1)); from=$((i + 1)) ;;
		-*) from=$((i + 1)) ;;
		*) break ;;
		esac
	done
	case ${COMP_WORDS[COMP_CWORD - 1]} in
	-f | -s) COMPREPLY=($(compgen -f -- "$cur")); return ;;
	-c) return ;;
	esac
	if [[ $cur == -* && $COMP_CWORD -le $from ]]; then
		COMPREPLY=($(compgen -W "$options" -- "$cur"))
		return
	fi
	line=
	for ((i = from; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ $word == : || $line == *: ]]; then line=${line% }$word; else line+="$word "; fi
	done
	[[ $cur == *:* ]] && line=${line%${cur%:*}*}
	COMPREPLY=()
	while IFS=$'\t' read -r word _; do
		COMPREPLY+=("$word")
	done < <("${COMP_WORDS[0]}" "${ask[@]}" --complete "$line$cur" 2>/dev/null)
	type __ltrim_colon_completions &>/dev/null && __ltrim_colon_completions "$cur"
}
complete -F _weir weir
