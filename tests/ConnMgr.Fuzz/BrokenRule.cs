namespace ConnMgr.Fuzz;

/// <summary>A reader has broken a rule that its target states.</summary>
internal sealed class BrokenRuleException(string rule) : Exception(rule)
{
    /// <summary>Throws unless the rule holds.</summary>
    /// <param name="holds">True if it holds.</param>
    /// <param name="rule">The rule, as a phrase.</param>
    public static void Unless(bool holds, string rule)
    {
        if (!holds)
        {
            throw new BrokenRuleException(rule);
        }
    }
}
