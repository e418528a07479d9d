using ConnMgr.Native;
using ConnMgr.Netlink;

namespace ConnMgr.Firewall;

/// <content>One transaction: its messages, sending it, and the kernel's error for each message.</content>
internal sealed partial class NftSetSocket
{
    private uint NextSequence => _sequence + 1;

    private Span<byte> Rest => _batch.AsSpan(_length);

    private bool HasRoom =>
        _length + (MessagesPerEffect * NftSetMessage.MaxSize) + NftSetMessage.MarkSize <= BatchSize;

    private void Begin()
    {
        _length = NftSetMessage.Begin(_batch, ++_sequence);
        _firstSequence = NextSequence;
        _count = 0;
    }

    private void Write(in HoleEffect effect, int index)
    {
        bool isOpening = effect.Action == HoleAction.Open;
        bool isUpdate = UpdatesInPlace || !effect.Prefix.IsAddress;
        if (!isOpening || !isUpdate)
        {
            Append(NftSetMessage.Add(Rest, effect.Prefix, null, NextSequence), index);
            Append(NftSetMessage.Delete(Rest, effect.Prefix, NextSequence), index);
        }
        if (isOpening)
        {
            Append(NftSetMessage.Add(Rest, effect.Prefix, effect.Timeout, NextSequence), index);
        }
    }

    private void Append(int length, int effect)
    {
        _last = _length;
        _length += length;
        _sequence++;
        _effects[_count] = effect;
        _errors[_count++] = 0;
    }

    /// <summary>
    /// Sends the batch. Only its last message requests an answer, because the kernel reports refused messages
    /// in any case.
    /// </summary>
    /// <returns>The error of the batch as a whole. The errors of its messages are in _errors.</returns>
    private int Commit()
    {
        uint lastSequence = _sequence;
        ref byte flags = ref _batch[_last + 6]; // nlmsg_flags
        flags |= (byte)NetlinkMessage.FlagAcknowledge;
        _length += NftSetMessage.End(Rest, ++_sequence);
        BeforeEach();
        if (!_socket.Send(_batch.AsSpan(0, _length)))
        {
            return Errno.Last;
        }
        while (true)
        {
            switch (_socket.Receive(out ReadOnlySpan<byte> datagram))
            {
                case Received.Nothing:
                    return Errno.EAGAIN; // cannot happen: the answer is there when Send returns
                case Received.Lost:
                    return Errno.ENOBUFS; // the batch may be done or not, and may be repeated
            }
            NetlinkReader reader = new(datagram);
            while (reader.TryRead(out NetlinkMessage message))
            {
                uint index = message.Sequence - _firstSequence;
                if (message.ErrorNumber is not { } error)
                {
                    continue;
                }
                if (message.Sequence == _firstSequence - 1 && error != 0)
                {
                    return error;
                }
                if (index < (uint)_count)
                {
                    _errors[index] = error;
                    if (message.Sequence == lastSequence)
                    {
                        return 0;
                    }
                }
            }
        }
    }

    private int FirstError(int whole)
    {
        for (int i = 0; i < _count && whole == 0; i++)
        {
            whole = _errors[i];
        }
        return whole;
    }
}
