#!/bin/sh
# runproj log, for shells in a step: needs nothing but a shell and what every system has.
usage='usage: runproj log metric NAME=VALUE... [--step N]
       runproj log param NAME=VALUE...
       runproj log tag NAME=VALUE...
       runproj log artifact PATH [--name NAME]'

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 2
}

# A text as JSON. Line ends become \n, other control characters go.
quoted() {
    printf '%s' "$1" | sed -e 's/[\\"]/\\&/g' -e 's/	/\\t/g' |
        awk 'NR > 1 { printf "\\n" } { printf "%s", $0 }' | tr -d '\000-\037'
}

tell() {
    printf '%s\n' "$1" >> "$RUNPROJ_EVENTS"
}

[ "$1" = log ] || fail "this is the runproj of a step, which knows 'runproj log' alone
$usage"
kind=$2
case $kind in
    metric | param | tag | artifact) shift 2 ;;
    *) fail "$usage" ;;
esac
[ $# -gt 0 ] || fail "$usage"
step= name= given=
for argument; do # options may stand anywhere
    shift
    case $given:$argument in
        step:*) step=$argument given= ;;
        name:*) name=$argument given= ;;
        :--step | :--name) given=${argument#--} ;;
        :--step=*) step=${argument#*=} ;;
        :--name=*) name=${argument#*=} ;;
        *) set -- "$@" "$argument" ;;
    esac
done
case $step in *[!0-9-]*) fail "--step $step: not a whole number" ;; esac
[ -n "$RUNPROJ_EVENTS" ] && [ -d "${RUNPROJ_EVENTS%/*}" ] || exit 0

for argument; do
    if [ "$kind" = artifact ]; then
        [ -e "$argument" ] || fail "$argument: no such file or folder"
        [ -n "$name" ] || name=$(basename -- "$argument")
        case $name in */* | . | ..) fail "--name $name: a name without /" ;; esac
        folder=${RUNPROJ_EVENTS%/*}/artifacts
        mkdir -p "$folder" && rm -rf "$folder/$name" &&
            cp -R -- "$argument" "$folder/.~$$" && mv -- "$folder/.~$$" "$folder/$name" || exit 1
        name=
        continue
    fi
    case $argument in
        ?*=*) ;;
        *) fail "$argument: say NAME=VALUE" ;;
    esac
    event="{\"$kind\":\"$(quoted "${argument%%=*}")\",\"value\":\"$(quoted "${argument#*=}")\""
    [ -z "$step" ] || event="$event,\"step\":$step"
    tell "$event}"
done
