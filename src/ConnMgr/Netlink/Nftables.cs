namespace ConnMgr.Netlink;

/// <summary>
/// The kernel's constants for nf_tables, with the names of &lt;linux/netfilter/nfnetlink.h&gt; and
/// &lt;linux/netfilter/nf_tables.h&gt;.
/// </summary>
internal static class Nftables
{
    // nfnetlink.h
    public const int NFNL_SUBSYS_NFTABLES = 10;
    public const int NFNL_MSG_BATCH_BEGIN = 0x10;
    public const int NFNL_MSG_BATCH_END = 0x11;
    public const int NFNLGRP_NFTABLES = 7;

    // netfilter.h, netlink.h
    public const int NFPROTO_INET = 1;
    public const int NFPROTO_IPV4 = 2;
    public const int NFPROTO_BRIDGE = 7;
    public const int NFPROTO_IPV6 = 10;
    public const int NF_INET_PRE_ROUTING = 0;
    public const int NF_INET_LOCAL_IN = 1;
    public const int NF_INET_FORWARD = 2;
    public const int NF_INET_POST_ROUTING = 4;
    public const int NLM_F_CREATE = 0x400;
    public const int NLM_F_APPEND = 0x800;

    // enum nf_tables_msg_types
    public const int NFT_MSG_NEWTABLE = 0;
    public const int NFT_MSG_GETTABLE = 1;
    public const int NFT_MSG_DELTABLE = 2;
    public const int NFT_MSG_NEWCHAIN = 3;
    public const int NFT_MSG_GETCHAIN = 4;
    public const int NFT_MSG_DELCHAIN = 5;
    public const int NFT_MSG_NEWRULE = 6;
    public const int NFT_MSG_GETRULE = 7;
    public const int NFT_MSG_DELRULE = 8;
    public const int NFT_MSG_NEWSET = 9;
    public const int NFT_MSG_GETSET = 10;
    public const int NFT_MSG_NEWSETELEM = 12;
    public const int NFT_MSG_GETSETELEM = 13;
    public const int NFT_MSG_DELSETELEM = 14;
    public const int NFT_MSG_NEWGEN = 15;

    // enum nft_table_attributes, nft_chain_attributes, nft_rule_attributes
    public const int NFTA_TABLE_NAME = 1;
    public const int NFTA_TABLE_FLAGS = 2;
    public const int NFTA_TABLE_USERDATA = 6;
    public const int NFTA_CHAIN_TABLE = 1;
    public const int NFTA_CHAIN_NAME = 3;
    public const int NFTA_CHAIN_HOOK = 4;
    public const int NFTA_CHAIN_POLICY = 5;
    public const int NFTA_CHAIN_TYPE = 7;
    public const int NFTA_CHAIN_FLAGS = 10;
    public const int NFTA_HOOK_HOOKNUM = 1;
    public const int NFTA_CHAIN_USERDATA = 12;
    public const int NFTA_RULE_TABLE = 1;
    public const int NFTA_RULE_CHAIN = 2;
    public const int NFTA_RULE_EXPRESSIONS = 4;
    public const int NFTA_RULE_USERDATA = 7;

    // enum nft_set_attributes, nft_set_flags
    public const int NFTA_SET_TABLE = 1;
    public const int NFTA_SET_NAME = 2;
    public const int NFTA_SET_FLAGS = 3;
    public const int NFTA_SET_KEY_TYPE = 4;
    public const int NFTA_SET_KEY_LEN = 5;
    public const int NFTA_SET_DATA_TYPE = 6;
    public const int NFTA_SET_DATA_LEN = 7;
    public const int NFTA_SET_POLICY = 8;
    public const int NFTA_SET_DESC = 9;
    public const int NFTA_SET_ID = 10;
    public const int NFTA_SET_TIMEOUT = 11;
    public const int NFTA_SET_GC_INTERVAL = 12;
    public const int NFTA_SET_USERDATA = 13;
    public const int NFTA_SET_OBJ_TYPE = 15;
    public const int NFTA_SET_EXPR = 17;
    public const int NFTA_SET_EXPRESSIONS = 18;
    public const int NFT_SET_INTERVAL = 0x4;
    public const int NFT_SET_TIMEOUT = 0x10;

    // enum nft_set_elem_list_attributes, nft_set_elem_attributes, nft_set_elem_flags, nft_data_attributes
    public const int NFTA_SET_ELEM_LIST_TABLE = 1;
    public const int NFTA_SET_ELEM_LIST_SET = 2;
    public const int NFTA_SET_ELEM_LIST_ELEMENTS = 3;
    public const int NFTA_LIST_ELEM = 1;
    public const int NFTA_SET_ELEM_KEY = 1;
    public const int NFTA_SET_ELEM_FLAGS = 3;
    public const int NFTA_SET_ELEM_TIMEOUT = 4;
    public const int NFTA_SET_ELEM_EXPIRATION = 5;
    public const int NFT_SET_ELEM_INTERVAL_END = 0x1;
    public const int NFTA_DATA_VALUE = 1;

    // enum nft_gen_attributes
    public const int NFTA_GEN_PROC_PID = 2;
    public const int NFTA_GEN_PROC_NAME = 3;
}
