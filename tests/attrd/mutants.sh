#!/bin/sh
# mutants.sh [PATTERN]: checks that the tests notice errors. Changes the shim in one place at a time, and
# expects a unit test or a kept input of the fuzzer to fail. Takes some minutes. Ends with `N passed, N
# failed`.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d /tmp/connmgr-mutants.XXXXXX)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
flags='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all'
passed=0 failed=0

# Returns true if a test fails.
is_noticed() {
    for program in "$work"/build/test_*; do
        case $program in *.o) continue ;; esac
        timeout 60 "$program" "$here/recordings" >"$work/output" 2>&1 || return 0
    done
    program='the kept inputs of the fuzzer'
    NATIVE=$work/native OUT=$work/fuzz "$here/fuzz.sh" build 2>"$work/output" || return 1
    ! NATIVE=$work/native OUT=$work/fuzz timeout 60 "$here/fuzz.sh" kept >"$work/output" 2>&1
}

# mutant FILE OLD NEW: replaces OLD, which must occur exactly once.
mutant() {
    change="$1: \`$(echo "$2" | tr -s '\n ' ' ')\` -> \`$(echo "$3" | tr -s '\n ' ' ')\`"
    case "$1 $2 $3" in *"$pattern"*) ;; *) return 0 ;; esac
    rm -rf "$work/native"
    mkdir "$work/native"
    cp "$here"/../../native/attrd_* "$work/native"
    OLD=$2 NEW=$3 awk -v RS='\001' '
        { while ((at = index($0, ENVIRON["OLD"])) > 0) {
              printf "%s%s", substr($0, 1, at - 1), ENVIRON["NEW"]
              $0 = substr($0, at + length(ENVIRON["OLD"]))
              count++
          }
          printf "%s", $0 }
        END { exit count != 1 }' "$here/../../native/$1" >"$work/native/$1" || {
        echo "not ok - $change: the former is not there once"
        failed=$((failed + 1))
        return 0
    }
    # shellcheck disable=SC2086 # flags
    if ! NATIVE=$work/native "$here/build.sh" "$work/build" $flags -Wno-error 2>"$work/output"; then
        echo "not ok - $change does not compile"
        failed=$((failed + 1))
    elif is_noticed; then
        echo "ok - $change is noticed by ${program##*/}"
        passed=$((passed + 1))
    else
        echo "not ok - $change is not noticed"
        failed=$((failed + 1))
    fi
}

pattern=${1:-}

mutant attrd_wire.h 'at) < size) {' 'at) + 1 < size) {'
mutant attrd_wire.h 'if (wire_take(reader, 2) != type)' 'if (wire_take(reader, 2) > type)'
mutant attrd_wire.h '(type & WIRE_NO_BLOB) != 0 ||' ''
mutant attrd_wire.h 'return reader->ok && reader->at == reader->end;' 'return reader->ok;'
mutant attrd_wire.h '!= size - WIRE_HEADER)' '> size - WIRE_HEADER)'
mutant attrd_wire.h '!= size - WIRE_HEADER)' '< size - WIRE_HEADER)'
mutant attrd_wire.h 'size < WIRE_HEADER ||' 'size < WIRE_HEADER - 1 ||'
mutant attrd_wire.h '|| size > WIRE_MESSAGE_MAX' '|| size > WIRE_MESSAGE_MAX + 1'
mutant attrd_wire.h '|| size > WIRE_MESSAGE_MAX' '|| size >= WIRE_MESSAGE_MAX'
mutant attrd_wire.h 'memset(writer->start, 0, WIRE_HEADER);' ''
mutant attrd_wire.h '#define WIRE_ID_MAX 0x7fffu' '#define WIRE_ID_MAX 0x7ffeu'
mutant attrd_wire.h '#define WIRE_BLOB_SIZE 0x3fffu' '#define WIRE_BLOB_SIZE 0x7fffu'

mutant attrd_changes.c 'a->size == b->size &&' ''
mutant attrd_changes.c '== 0;' '>= 0;'
mutant attrd_changes.c 'if (slot == ATTRD_MAX_PUBLISHED)' 'if (slot == ATTRD_MAX_PUBLISHED - 1)'
mutant attrd_changes.c 'return ATTRD_E_FULL;' 'return ATTRD_OK;'
mutant attrd_changes.c '} else if (is_same(&changes->slots[slot].latest, &value)) {' '} else if (0) {'
mutant attrd_changes.c 'changes->slots[slot].latest = value;' ''
mutant attrd_changes.c 'if (changes->waiting_count == ATTRD_MAX_PENDING)' 'if (changes->waiting_count == 8)'
mutant attrd_changes.c 'if (changes->waiting_count == ATTRD_MAX_PENDING)' 'if (0)'
mutant attrd_changes.c 'changes->waiting[place] = changes->waiting[i];' ''
mutant attrd_changes.c 'if (place == kept)' 'if (place != kept)'
mutant attrd_changes.c 'changes->waiting_count = kept;' ''
mutant attrd_changes.c 'changes->slots[slot].was_sent = false;' ''
mutant attrd_changes.c 'changes->waiting_count = changes->slot_count;' 'changes->waiting_count += changes->slot_count;'
mutant attrd_changes.c 'if (slot->was_sent &&' 'if (0 &&'
mutant attrd_changes.c 'if (slot->was_sent &&' 'if ('
mutant attrd_changes.c 'slot->was_sent = true;' ''

mutant attrd_transfers.c 'if (piece->size > ATTRD_MAX_RECEIVED)' 'if (piece->size > ATTRD_MAX_RECEIVED + 1)'
mutant attrd_transfers.c 'if (piece->size > ATTRD_MAX_RECEIVED)' 'if (piece->size >= ATTRD_MAX_RECEIVED)'
mutant attrd_transfers.c 'if (*transfer == NULL)' 'if (0)'
mutant attrd_transfers.c 'piece->code == expected->code &&' ''
mutant attrd_transfers.c 'piece->operation == expected->operation &&' ''
mutant attrd_transfers.c 'piece->attribute == expected->attribute &&' ''
mutant attrd_transfers.c 'piece->size == expected->size &&' ''
mutant attrd_transfers.c 'piece->position == expected->position &&' ''
mutant attrd_transfers.c 'piece->piece_size > 0 &&' ''
mutant attrd_transfers.c 'piece->piece_size <= (uint32_t)(expected->size - expected->position)' '1'
mutant attrd_transfers.c 'transfer->deadline = deadline;' ''
mutant attrd_transfers.c 'if (piece->position != 0)' 'if (0)'
mutant attrd_transfers.c '        if (++transfers->last_transaction == 0)' '        if (++transfers->last_transaction == 9)'
mutant attrd_transfers.c 'if (now >= transfers->places[i].deadline)' 'if (now > transfers->places[i].deadline)'
mutant attrd_transfers.c 'transfer->expected.transaction != 0 &&' ''
mutant attrd_transfers.h '#define ATTRD_MAX_TRANSFERS 2u' '#define ATTRD_MAX_TRANSFERS 1u'

mutant attrd_stream.c '    if (count == 0)' '    if (0)'
mutant attrd_stream.c 'errno == EWOULDBLOCK || errno == EINTR ? STREAM_FINE : errno' 'errno == EWOULDBLOCK ? STREAM_FINE : errno'
mutant attrd_stream.c 'stream->in_start = 0;' ''
mutant attrd_stream.c '    if (there < WIRE_HEADER)' '    if (there < WIRE_HEADER - 3)'
mutant attrd_stream.c 'size <= there &&' ''
mutant attrd_stream.c '&& attrd_stream_has_room(stream, STREAM_FREE));' ');'
mutant attrd_stream.c '&& attrd_stream_has_room(stream, STREAM_FREE));' '&& attrd_stream_has_room(stream, STREAM_FREE - 200));'
mutant attrd_stream.c 'return wire_is_nonsense(size) ||' 'return'
mutant attrd_stream.c 'stream->out_rest > 0 ? stream->out_rest : wire_size(bytes)' 'wire_size(bytes)'
mutant attrd_stream.c 'stream->out_rest > 0 ? stream->out_rest : wire_size(bytes)' 'stream->out_end - stream->out_start'
mutant attrd_stream.c 'stream->out_rest = size - (uint32_t)count;' ''
mutant attrd_stream.c 'if (count < 0 && errno == EINTR)' 'if (0)'
mutant attrd_stream.c '.msg_control = &control,' ''
mutant attrd_stream.c '#define SEND_BUFFER 4160' '#define SEND_BUFFER 416000'
mutant attrd_stream.c '#define SEND_BUFFER 4160' '#define SEND_BUFFER 1000'
mutant attrd_stream.c '    if (stream->barrier >= 0)
        close(stream->barrier);' ''
mutant attrd_stream.c '    if (stream->out_start < stream->out_end)' '    if (0)'
mutant attrd_stream.c '    if (stream->out_start < stream->out_end)' '    if (stream->fd >= 0)'
mutant attrd_stream.c 'stream->in_end - stream->in_start < sizeof stream->in)' '1)'
mutant attrd_stream.h '    uint8_t out[2 * STREAM_FREE];' '    uint8_t out[STREAM_FREE - 1];'

mutant attrd_shim.c '#define OPEN_TIMEOUT (1000 * MS)' '#define OPEN_TIMEOUT (1001 * MS)'
mutant attrd_shim.c '#define SET_TIMEOUT (5000 * MS)' '#define SET_TIMEOUT (4999 * MS)'
mutant attrd_shim.c '#define PIECE_TIMEOUT (5000 * MS)' '#define PIECE_TIMEOUT (5001 * MS)'
mutant attrd_shim.c '#define SLOW_ANSWER (50 * MS)' '#define SLOW_ANSWER (49 * MS)'
mutant attrd_shim.c '#define SLOW_ANSWER (50 * MS)' '#define SLOW_ANSWER (61 * MS)'
mutant attrd_shim.c '    if (now > handle->now)' '    if (1)'
mutant attrd_shim.c 'return time > UINT64_MAX - wait ? UINT64_MAX : time + wait;' 'return time + wait;'
mutant attrd_shim.c '{ 1, 2, 4, 10 }' '{ 1, 2, 4, 8 }'
mutant attrd_shim.c '{ 1, 2, 4, 10 }' '{ 1, 2, 5, 10 }'
mutant attrd_shim.c 'if (handle->failures + 1 < sizeof seconds)' 'if (1)'
mutant attrd_shim.c '    if (handle->stream.fd >= 0)
' ''
mutant attrd_shim.c '    attrd_transfers_expire(&handle->transfers, UINT64_MAX);' ''
mutant attrd_shim.c '    handle->under_way = NULL;
    handle->state' '    handle->state'
mutant attrd_shim.c '    handle->closed = reason;' ''
mutant attrd_shim.c '    handle->closed_detail = detail;' ''
mutant attrd_shim.c '    handle->last_id = handle->last_id % WIRE_ID_MAX + 1;' '    handle->last_id = (handle->last_id + 1) % WIRE_ID_MAX;'
mutant attrd_shim.c '    handle->awaited_id = handle->last_id;' ''
mutant attrd_shim.c '    handle->last_id = 0;' ''
mutant attrd_shim.c 'handle->state == ATTRD_STATE_OPENING && handle->now >= handle->deadline)' '0)'
mutant attrd_shim.c 'else if (handle->under_way != NULL && handle->now >=' 'else if (0 && handle->now >='
mutant attrd_shim.c '    attrd_transfers_expire(&handle->transfers, handle->now);' ''
mutant attrd_shim.c 'if (handle->state != ATTRD_STATE_OPEN || handle->under_way != NULL ||' 'if (handle->state != ATTRD_STATE_OPEN ||'
mutant attrd_shim.c 'if (handle->state != ATTRD_STATE_OPEN || handle->under_way' 'if (handle->under_way'
mutant attrd_shim.c 'has_room(&handle->stream, STREAM_REQUEST_MAX)' 'has_room(&handle->stream, 0)'
mutant attrd_shim.c '    if (++handle->last_operation == 0)' '    if (++handle->last_operation == 8)'
mutant attrd_shim.c '    handle->set_began = handle->now;' ''
mutant attrd_shim.c '        handle->under_way->was_sent = false;' ''
mutant attrd_shim.c '    if (handle->now - handle->set_began > SLOW_ANSWER)' '    if (0)'
mutant attrd_shim.c '    send_change(handle);
    return status != ATTRD_STATUS_OK;' '    return status != ATTRD_STATUS_OK;'
mutant attrd_shim.c 'handle->under_way != NULL && operation == handle->last_operation &&' 'handle->under_way != NULL &&'
mutant attrd_shim.c 'handle->under_way != NULL && operation == handle->last_operation &&' 'operation == handle->last_operation &&'
mutant attrd_shim.c '    if (id != handle->awaited_id)' '    if (0)'
mutant attrd_shim.c '        return status != ATTRD_STATUS_OK && on_set_done' '        return on_set_done'
mutant attrd_shim.c '        handle->failures = 0;' ''
mutant attrd_shim.c '    if (handle->state != ATTRD_STATE_OPEN || handle->under_way != NULL ||' '    handle->failures = 0;
    if (handle->state != ATTRD_STATE_OPEN || handle->under_way != NULL ||'
mutant attrd_shim.c '    attrd_changes_restart(&handle->changes);' ''
mutant attrd_shim.c 'event->token = code == WIRE_SET ? make_token(handle, 0, piece.operation) : 0;' 'event->token = make_token(handle, 0, piece.operation);'
mutant attrd_shim.c 'status == ATTRD_STATUS_OK ? transaction : 0);' 'transaction);'
mutant attrd_shim.c 'bool is_request = id != 0 &&' 'bool is_request ='
mutant attrd_shim.c '    if (!body.ok) {' '    if (0) {'
mutant attrd_shim.c '        if (is_request)
            answer' '        answer'
mutant attrd_shim.c 'return code == WIRE_SET_REPLY && on_set_reply' 'return on_set_reply'
mutant attrd_shim.c 'strlen(path) >= sizeof address.sun_path' 'strlen(path) > sizeof address.sun_path'
mutant attrd_shim.c 'strlen(name) > ATTRD_MAX_NAME' 'strlen(name) >= ATTRD_MAX_NAME'
mutant attrd_shim.c 'range_count > ATTRD_MAX_RANGES ||' 'range_count >= ATTRD_MAX_RANGES ||'
mutant attrd_shim.c '        if (handle->now >= handle->deadline)' '        if (1)'
mutant attrd_shim.c '    lose_if(handle, attrd_stream_flush(&handle->stream));
    send_change(handle);' '    send_change(handle);'
mutant attrd_shim.c '    lose_if(handle, attrd_stream_flush(&handle->stream));
    send_change(handle);' '    lose_if(handle, attrd_stream_flush(&handle->stream));'
mutant attrd_shim.c '        expire(handle);
    if' '        ;
    if'
mutant attrd_shim.c '    handle->closed = 0;' ''
mutant attrd_shim.c '    if (handle->state != ATTRD_STATE_OPEN)
        deadline' '        deadline'
mutant attrd_shim.c 'deadline = earlier(deadline, after(handle->set_began, SET_TIMEOUT));' ';'
mutant attrd_shim.c '    if (handle->closed != 0 || attrd_stream_has_message' '    if (attrd_stream_has_message'
mutant attrd_shim.c '    if (handle->closed != 0 || attrd_stream_has_message(&handle->stream))' '    if (handle->closed != 0)'
mutant attrd_shim.c 'length > ATTRD_MAX_PUBLISHED_SIZE ||' 'length > ATTRD_MAX_PUBLISHED_SIZE + 1 ||'
mutant attrd_shim.c 'length > ATTRD_MAX_SENT ||' 'length > ATTRD_MAX_SENT + 1 ||'
mutant attrd_shim.c '!is_connected(handle) || token' 'token'
mutant attrd_shim.c 'handle->stream.fd < 0 || reason == ATTRD_CLOSED_BY_PEER' 'true'
mutant attrd_shim.c '        handle->deadline = after(handle->now, LEAVE_TIMEOUT);' ''
mutant attrd_shim.c '        if (is_connected(handle))
            attrd_stream_leave(&handle->stream);' ''
mutant attrd_shim.c ' || handle->now >= handle->deadline))' '))'
mutant attrd_stream.c '    send_with(stream, stream->fd, stream->out, stream->out_end)' '    (void)send_with'
mutant attrd_stream.c 'send_with(stream, stream->fd, stream->out' 'send_with(stream, stream->barrier, stream->out'
mutant attrd_stream.c '    shutdown(stream->fd, SHUT_WR);' ''
mutant attrd_stream.c '    setsockopt(stream->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);' ''
mutant attrd_stream.c '    int result = attrd_stream_receive(stream);
    forget_messages(stream);' '    int result = attrd_stream_receive(stream);'
mutant attrd_shim.c '|| token >> 32 != handle->generation)' ')'
mutant attrd_shim.c '(has_value ? (uint32_t)length : 0) + ROOM_AROUND_VALUE)' '0)'
mutant attrd_shim.c 'bool has_value = id != 0 && status == ATTRD_STATUS_OK;' 'bool has_value = status == ATTRD_STATUS_OK;'

echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
