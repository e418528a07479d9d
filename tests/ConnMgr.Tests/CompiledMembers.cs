using System.Reflection;
using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace ConnMgr.Tests;

/// <summary>
/// Finds the methods, properties and fields of an assembly that its own code cannot reach. It follows the
/// instructions from what the runtime calls: the entry point, static constructors, and virtual methods.
/// </summary>
internal sealed class CompiledMembers
{
    private readonly PEReader _file;
    private readonly MetadataReader _metadata;
    private readonly ILookup<(string Type, string Name), EntityHandle> _byName;
    private readonly HashSet<EntityHandle> _reached = [];
    private readonly Stack<MethodDefinitionHandle> _unread = new();

    private CompiledMembers(PEReader file)
    {
        _file = file;
        _metadata = file.GetMetadataReader();
        _byName = _metadata.TypeDefinitions
            .SelectMany(type => MembersOf(type).Select(member => (type, member)))
            .ToLookup(pair => (NameOf(pair.type), NameOf(pair.member)), pair => pair.member);
    }

    /// <summary>
    /// Returns the unreached members as `Namespace.Type.Member`, sorted. Constants are not members here: the
    /// compiler copies their values.
    /// </summary>
    public static string[] Unreached(Assembly assembly)
    {
        using PEReader file = new([.. File.ReadAllBytes(assembly.Location)]);
        return [.. new CompiledMembers(file).FindUnreached().Distinct().Order(StringComparer.Ordinal)];
    }

    private IEnumerable<string> FindUnreached()
    {
        foreach (MethodDefinitionHandle method in _metadata.MethodDefinitions.Where(IsRoot))
        {
            Reach(method);
        }
        while (_unread.TryPop(out MethodDefinitionHandle method))
        {
            if (_metadata.GetMethodDefinition(method).RelativeVirtualAddress is not 0 and int address)
            {
                Follow(_file.GetMethodBody(address));
            }
        }
        return from type in _metadata.TypeDefinitions
               where !IsMadeByCompiler(_metadata.GetTypeDefinition(type))
               from member in MembersOf(type)
               where IsWritten(type, member) && !_reached.Contains(member)
               select $"{NameOf(type)}.{NameOf(member)}";
    }

    private bool IsRoot(MethodDefinitionHandle handle)
    {
        MethodDefinition method = _metadata.GetMethodDefinition(handle);
        return (method.Attributes & MethodAttributes.Virtual) != 0
            || _metadata.GetString(method.Name) is ".cctor" or "Main" or "<Main>$"
            || Has(method.GetCustomAttributes(), "UnmanagedCallersOnlyAttribute");
    }

    private void Follow(MethodBodyBlock body)
    {
        foreach ((OperandType kind, EntityHandle used) in CompiledCode.Handles(body))
        {
            if (kind != OperandType.InlineType)
            {
                Reach(used);
            }
        }
    }

    private void Reach(EntityHandle handle)
    {
        switch (handle.Kind)
        {
            case HandleKind.MethodSpecification:
                Reach(_metadata.GetMethodSpecification((MethodSpecificationHandle)handle).Method);
                break;
            case HandleKind.MemberReference: // of a generic type; overloads are not told apart
                MemberReference used = _metadata.GetMemberReference((MemberReferenceHandle)handle);
                if (GenericTypeOf(used.Parent) is { } type)
                {
                    foreach (EntityHandle member in _byName[(type, _metadata.GetString(used.Name))])
                    {
                        Reach(member);
                    }
                }
                break;
            case HandleKind.MethodDefinition or HandleKind.FieldDefinition when _reached.Add(handle):
                if (handle.Kind == HandleKind.MethodDefinition)
                {
                    _unread.Push((MethodDefinitionHandle)handle);
                }
                break;
        }
    }

    /// <summary>Returns the name of a generic type of the assembly; null for any other.</summary>
    private string? GenericTypeOf(EntityHandle parent)
    {
        if (parent.Kind != HandleKind.TypeSpecification)
        {
            return null;
        }
        BlobReader signature = _metadata.GetBlobReader(
            _metadata.GetTypeSpecification((TypeSpecificationHandle)parent).Signature);
        if (signature.ReadSignatureTypeCode() != SignatureTypeCode.GenericTypeInstance)
        {
            return null;
        }
        _ = signature.ReadByte(); // class or value type
        EntityHandle type = signature.ReadTypeHandle();
        return type.Kind == HandleKind.TypeDefinition ? NameOf((TypeDefinitionHandle)type) : null;
    }

    private IEnumerable<EntityHandle> MembersOf(TypeDefinitionHandle handle)
    {
        TypeDefinition type = _metadata.GetTypeDefinition(handle);
        return type.GetMethods().Select(method => (EntityHandle)method)
            .Concat(type.GetFields().Select(field => (EntityHandle)field));
    }

    /// <summary>True if the member is in the source: not a constant, and not made by the compiler.</summary>
    private bool IsWritten(TypeDefinitionHandle type, EntityHandle member)
    {
        if (member.Kind == HandleKind.FieldDefinition)
        {
            FieldDefinition field = _metadata.GetFieldDefinition((FieldDefinitionHandle)member);
            const FieldAttributes NotWritten = FieldAttributes.Literal | FieldAttributes.RTSpecialName;
            return (field.Attributes & NotWritten) == 0
                && !Has(field.GetCustomAttributes(), "CompilerGeneratedAttribute")
                && (_metadata.GetTypeDefinition(type).Attributes & TypeAttributes.LayoutMask)
                    == TypeAttributes.AutoLayout; // the layout of a kernel's struct needs all its fields
        }
        MethodDefinition method = _metadata.GetMethodDefinition((MethodDefinitionHandle)member);
        bool isAccessor = (method.Attributes & MethodAttributes.SpecialName) != 0
            && _metadata.GetString(method.Name) is ['g' or 's', 'e', 't', '_', ..];
        bool isParameterOfRecord = isAccessor && IsSetter(method) && IsRecord(type);
        return (isAccessor || !Has(method.GetCustomAttributes(), "CompilerGeneratedAttribute"))
            && !isParameterOfRecord && !(IsRecord(type) && _metadata.GetString(method.Name) == ".ctor")
            && _metadata.GetString(method.Name) is not ['<', ..];
    }

    private bool IsSetter(MethodDefinition method) =>
        _metadata.GetString(method.Name).StartsWith("set_", StringComparison.Ordinal);

    private bool IsRecord(TypeDefinitionHandle type) => MembersOf(type)
        .Any(member => NameOf(member) is "<Clone>$" or "PrintMembers");

    private bool IsMadeByCompiler(TypeDefinition type) =>
        Has(type.GetCustomAttributes(), "CompilerGeneratedAttribute")
        || _metadata.GetString(type.Name).Contains('<', StringComparison.Ordinal)
        || (type.BaseType.Kind == HandleKind.TypeReference && _metadata.GetString(
            _metadata.GetTypeReference((TypeReferenceHandle)type.BaseType).Name) == "MulticastDelegate");

    private bool Has(CustomAttributeHandleCollection attributes, string name) => attributes.Any(handle =>
        _metadata.GetCustomAttribute(handle).Constructor is { Kind: HandleKind.MemberReference } constructor
        && _metadata.GetMemberReference((MemberReferenceHandle)constructor).Parent is
        { Kind: HandleKind.TypeReference } type
        && _metadata.GetString(_metadata.GetTypeReference((TypeReferenceHandle)type).Name) == name);

    private string NameOf(TypeDefinitionHandle handle)
    {
        TypeDefinition type = _metadata.GetTypeDefinition(handle);
        string name = _metadata.GetString(type.Name);
        return type.GetDeclaringType() is { IsNil: false } outer
            ? $"{NameOf(outer)}.{name}"
            : $"{_metadata.GetString(type.Namespace)}.{name}";
    }

    private string NameOf(EntityHandle member) => _metadata.GetString(
        member.Kind == HandleKind.MethodDefinition
            ? _metadata.GetMethodDefinition((MethodDefinitionHandle)member).Name
            : _metadata.GetFieldDefinition((FieldDefinitionHandle)member).Name);
}
