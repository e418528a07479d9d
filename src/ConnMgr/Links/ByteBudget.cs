namespace ConnMgr.Links;

/// <summary>How a link's budget of bytes affects its use.</summary>
internal enum LinkBudget
{
    /// <summary>The link has no budget, or has not used all of it.</summary>
    Within,

    /// <summary>The budget is used up: use the link only if no other link works.</summary>
    Over,

    /// <summary>The budget is used up, and the link must not send anything.</summary>
    Blocked,
}

/// <summary>How much of a budget is used.</summary>
internal enum BudgetLevel
{
    Low,

    /// <summary>80 % or more.</summary>
    Near,

    /// <summary>100 % or more.</summary>
    Over,
}

/// <summary>What is stored about the bytes of one link.</summary>
/// <param name="key">The kind and the index of the link, e.g. `WAN_0`.</param>
/// <param name="name">The interface name.</param>
internal sealed class BudgetAccount(string key, string name)
{
    public string Key => key;

    /// <summary>The interface that the baseline belongs to.</summary>
    public string Name { get; set; } = name;

    /// <summary>The bytes of this period, both directions.</summary>
    public long Used { get; set; }

    /// <summary>The bytes of the period before.</summary>
    public long Before { get; set; }

    /// <summary>When the period ends, UTC; null until the clock could be trusted.</summary>
    public DateTime? Until { get; set; }

    /// <summary>True if the kernel's clock was synchronised when <see cref="Until"/> was set.</summary>
    public bool IsFirm { get; set; }

    /// <summary>The interface index of the baseline; 0 for none.</summary>
    public int Ifindex { get; set; }

    /// <summary>The baseline: the kernel's counter up to which all is in <see cref="Used"/>.</summary>
    public ulong Counter { get; set; }
}

/// <summary>
/// Counts the bytes of a metered link against its monthly budget, from the kernel's counters. Pure.
/// </summary>
/// <remarks>
/// The clock of a gateway without a battery starts in 1970 or at its last shutdown, until NTP sets it. A
/// clock that is behind never ends a period. One that is ahead may; when a synchronised clock shows that the
/// period has not ended, the bytes of the period before are added again.
/// </remarks>
/// <param name="account">What is stored about the link.</param>
/// <param name="isNew">True if nothing was stored: bytes that the kernel has counted so far do not
/// count.</param>
internal sealed class ByteBudget(BudgetAccount account, bool isNew)
{
    private static readonly TimeSpan LongestUnsaved = TimeSpan.FromHours(1);
    private const int OldestYear = 2025; // an earlier clock has not been set

    private bool _startsHere = isNew;
    private long _undated; // bytes since the clock could last be trusted
    private long _savedUsed = account.Used;
    private bool _hasChanged = isNew;

    public BudgetAccount Account => account;

    /// <summary>The name of the link.</summary>
    public string Name { get; set; } = account.Name;

    /// <summary>The bytes that may be used in a period.</summary>
    public long Limit { get; set; }

    /// <summary>The day of the month on which a period begins, 1 to 31.</summary>
    public int Day { get; set; } = 1;

    public long Used => account.Used;

    public BudgetLevel Level => Used >= Limit ? BudgetLevel.Over
        : Used >= Limit - (Limit / 5) ? BudgetLevel.Near
        : BudgetLevel.Low;

    /// <summary>The used part in percent, rounded down.</summary>
    public long Percent => (long)(Used * 100.0 / Limit);

    /// <summary>The level that was last logged. The caller that logs it sets it.</summary>
    public BudgetLevel Announced { get; set; }

    /// <summary>Takes the kernel's counter of the link's device, both directions.</summary>
    /// <param name="ifindex">The device; 0 if there is none.</param>
    /// <param name="bytes">Its counter.</param>
    public void Count(int ifindex, ulong bytes)
    {
        // Its counter includes bytes from before the device belonged to this link.
        bool isOther = _startsHere || Name != account.Name;
        _startsHere = false;
        account.Name = Name;
        if (ifindex == 0)
        {
            return;
        }
        ulong more = isOther ? 0
            : ifindex != account.Ifindex ? bytes // the device is new since the last count
            : bytes >= account.Counter ? bytes - account.Counter
            : bytes; // the driver has reset its counter
        if (!isOther && ifindex == account.Ifindex && bytes < account.Counter
            && account.Counter - bytes <= account.Counter / 16)
        {
            return; // the sums of some drivers decrease a little at times
        }
        long added = (long)Math.Min(more, (ulong)(BudgetFile.MostBytes - account.Used));
        account.Used += added;
        _undated += added;
        (account.Ifindex, account.Counter) = (ifindex, bytes);
    }

    /// <summary>Ends the period if its time has come.</summary>
    /// <param name="wall">The wall time, UTC.</param>
    /// <param name="isSynced">The kernel says that the clock is synchronised.</param>
    /// <param name="isSteady">The clock has not been set for a while.</param>
    /// <returns>What has happened, as a phrase that follows the name; null for nothing.</returns>
    public string? Advance(DateTime wall, bool isSynced, bool isSteady)
    {
        if (!isSynced && (!isSteady || wall.Year < OldestYear))
        {
            return null;
        }
        string? said = null;
        DateTime end = BudgetPeriod.EndAfter(wall, Day);
        if (account.Until is not { } until || !BudgetPeriod.IsEnd(until, Day))
        {
            SetUntil(end, isSynced); // the first time, or the user has chosen another day
        }
        else if (wall >= until)
        {
            // If the end was set by a clock that was not synchronised, it is unknown to which period the
            // bytes belong.
            if (account.IsFirm || !isSynced)
            {
                (account.Before, account.Used) = (account.Used, Math.Min(_undated, account.Used));
                said = "begins a new month of its budget";
            }
            SetUntil(end, isSynced);
        }
        else if (isSynced && until > end)
        {
            account.Used = Math.Min(account.Used + account.Before, BudgetFile.MostBytes);
            account.Before = 0;
            SetUntil(end, isSynced);
            said = "goes on with the month of its budget: the clock was ahead when a new one began";
        }
        else
        {
            account.IsFirm |= isSynced;
        }
        _undated = 0;
        return said;
    }

    private void SetUntil(DateTime end, bool isFirm)
    {
        (account.Until, account.IsFirm, _hasChanged) = (end, isFirm, true);
    }

    /// <summary>Returns true if the account is worth writing to flash.</summary>
    /// <param name="sinceSaved">The time since it was last written.</param>
    public bool IsWorthSaving(TimeSpan sinceSaved)
    {
        long unsaved = Math.Abs(Used - _savedUsed);
        return _hasChanged || unsaved > Limit / 1000 || (unsaved > 0 && sinceSaved >= LongestUnsaved);
    }

    /// <summary>Call it when the account has been written.</summary>
    public void OnSaved() => (_savedUsed, _hasChanged) = (Used, false);
}
