#!/bin/sh
# One tier of the four: makes its data folder once, runs its node, and invites the tier below once.
#   FIRST   name, code and level of the deployment's first place; only at the top
#   SELF    code under which the parent has left an invitation; everywhere else
#   PARENT  host of the parent
#   CHILD   name, code and level of the place below; not at the bottom
set -eu

data=$FENGQIAO_DATA

if [ ! -e "$data/identity.json" ]; then
  if [ -n "${FIRST:-}" ]; then
    # shellcheck disable=SC2086
    set -- $FIRST
    fengqiao init --name "$1" --code "$2" --level "$3"
  else
    until [ -s "/invitations/$SELF" ]; do sleep 1; done
    fengqiao join --parent "$PARENT:7444" --token-file "/invitations/$SELF"
    rm -f "/invitations/$SELF"
  fi
fi

if [ -n "${PARENT:-}" ]; then
  export FENGQIAO__LINK__PARENT_ADDRESS="$PARENT:7443"
fi

fengqiao run &
node=$!
trap 'kill -TERM "$node"' TERM INT

if [ -n "${CHILD:-}" ] && [ ! -e "$data.invited" ]; then
  # shellcheck disable=SC2086
  set -- $CHILD
  until fengqiao status >/dev/null 2>&1; do
    kill -0 "$node" || exit 1
    sleep 1
  done
  fengqiao place add "$1" --code "$2" --level "$3"
  fengqiao invite "$2" --output json | sed 's/.*"token": *"\([^"]*\)".*/\1/' | grep '^fq1\.' > "/invitations/.$2"
  mv "/invitations/.$2" "/invitations/$2"
  : > "$data.invited"
fi

# The first wait ends with a signal, the second with the node.
wait "$node" || wait "$node"
