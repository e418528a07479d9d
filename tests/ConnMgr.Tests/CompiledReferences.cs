using System.Collections.Immutable;
using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace ConnMgr.Tests;

/// <summary>
/// Reads from an assembly, without loading it, which types and members each of its types uses: in base types,
/// fields, signatures, local variables and instructions. Qualified names, aliases and <c>var</c> make no
/// difference. A use of a constant is not seen: the compiler copies its value.
/// </summary>
internal sealed class CompiledReferences : ISignatureTypeProvider<string, object?>
{
    private readonly MetadataReader _metadata;
    private readonly PEReader _file;
    private SortedSet<string> _found = [];
    private bool _isOwnSignature; // not of a library's method: stackalloc calls new Span(void *, int)

    private CompiledReferences(PEReader file)
    {
        _file = file;
        _metadata = file.GetMetadataReader();
    }

    /// <summary>
    /// For each outermost type of the assembly, by full name: what it and the types nested in it use. A type
    /// is `Namespace.Type`, a member `Namespace.Type::Member`, a nested type has the name of its outermost
    /// type; a pointer in a field or signature and a `fixed` statement add `unsafe`, a finalizer adds
    /// `finalizer`, a value in an interpolated or joined string `formats Namespace.Type`.
    /// </summary>
    public static Dictionary<string, SortedSet<string>> Of(Assembly assembly)
    {
        using PEReader file = new([.. File.ReadAllBytes(assembly.Location)]);
        return new CompiledReferences(file).ReadAll();
    }

    private Dictionary<string, SortedSet<string>> ReadAll()
    {
        Dictionary<string, SortedSet<string>> all = [];
        foreach (TypeDefinitionHandle handle in _metadata.TypeDefinitions)
        {
            string outermost = NameOf(handle);
            _found = all.TryGetValue(outermost, out SortedSet<string>? known) ? known : all[outermost] = [];
            Read(_metadata.GetTypeDefinition(handle));
            _found.Remove(outermost);
        }
        return all;
    }

    private void Read(TypeDefinition type)
    {
        See(type.BaseType);
        foreach (InterfaceImplementationHandle handle in type.GetInterfaceImplementations())
        {
            See(_metadata.GetInterfaceImplementation(handle).Interface);
        }
        foreach (FieldDefinitionHandle handle in type.GetFields())
        {
            _isOwnSignature = true;
            _metadata.GetFieldDefinition(handle).DecodeSignature(this, null);
            _isOwnSignature = false;
        }
        foreach (MethodDefinitionHandle handle in type.GetMethods())
        {
            MethodDefinition method = _metadata.GetMethodDefinition(handle);
            _isOwnSignature = true;
            method.DecodeSignature(this, null);
            _isOwnSignature = false;
            if (_metadata.StringComparer.Equals(method.Name, "Finalize"))
            {
                _found.Add("finalizer");
            }
            if (method.RelativeVirtualAddress != 0)
            {
                Read(_file.GetMethodBody(method.RelativeVirtualAddress));
            }
        }
    }

    private void Read(MethodBodyBlock body)
    {
        if (!body.LocalSignature.IsNil)
        {
            _metadata.GetStandaloneSignature(body.LocalSignature).DecodeLocalSignature(this, null);
        }
        foreach (ExceptionRegion region in body.ExceptionRegions)
        {
            See(region.CatchType);
        }
        foreach ((_, EntityHandle used) in CompiledCode.Handles(body))
        {
            See(used);
        }
    }

    private void See(EntityHandle handle)
    {
        if (handle.IsNil)
        {
            return;
        }
        switch (handle.Kind)
        {
            case HandleKind.TypeDefinition:
                _found.Add(NameOf((TypeDefinitionHandle)handle));
                break;
            case HandleKind.TypeReference:
                _found.Add(NameOf((TypeReferenceHandle)handle));
                break;
            case HandleKind.TypeSpecification:
                _metadata.GetTypeSpecification((TypeSpecificationHandle)handle).DecodeSignature(this, null);
                break;
            case HandleKind.FieldDefinition:
                See(_metadata.GetFieldDefinition((FieldDefinitionHandle)handle).GetDeclaringType());
                break;
            case HandleKind.MethodDefinition:
                See(_metadata.GetMethodDefinition((MethodDefinitionHandle)handle).GetDeclaringType());
                break;
            case HandleKind.MethodSpecification:
                MethodSpecification generic =
                    _metadata.GetMethodSpecification((MethodSpecificationHandle)handle);
                See(generic.Method);
                ImmutableArray<string> arguments = generic.DecodeSignature(this, null);
                if (generic.Method.Kind == HandleKind.MemberReference
                    && _metadata.GetMemberReference((MemberReferenceHandle)generic.Method) is { } formatter
                    && _metadata.GetString(formatter.Name) is "AppendFormatted" or "Join")
                {
                    _found.Add($"formats {arguments[0]}");
                }
                break;
            case HandleKind.MemberReference:
                See(_metadata.GetMemberReference((MemberReferenceHandle)handle));
                break;
        }
    }

    private void See(MemberReference member)
    {
        See(member.Parent);
        if (member.Parent.Kind == HandleKind.TypeReference)
        {
            _found.Add($"{NameOf((TypeReferenceHandle)member.Parent)}::{_metadata.GetString(member.Name)}");
        }
        if (member.GetKind() == MemberReferenceKind.Method)
        {
            member.DecodeMethodSignature(this, null);
        }
        else
        {
            member.DecodeFieldSignature(this, null);
        }
    }

    private string NameOf(TypeDefinitionHandle handle)
    {
        TypeDefinition type = _metadata.GetTypeDefinition(handle);
        return type.GetDeclaringType() is { IsNil: false } outer
            ? NameOf(outer)
            : FullName(type.Namespace, type.Name);
    }

    private string NameOf(TypeReferenceHandle handle)
    {
        TypeReference type = _metadata.GetTypeReference(handle);
        return type.ResolutionScope.Kind == HandleKind.TypeReference
            ? NameOf((TypeReferenceHandle)type.ResolutionScope)
            : FullName(type.Namespace, type.Name);
    }

    private string FullName(StringHandle space, StringHandle name) =>
        space.IsNil ? _metadata.GetString(name) : $"{_metadata.GetString(space)}.{_metadata.GetString(name)}";

    private string Found(string type)
    {
        _found.Add(type);
        return type;
    }

    string ISimpleTypeProvider<string>.GetTypeFromDefinition(
        MetadataReader reader, TypeDefinitionHandle handle, byte kind) =>
        Found(NameOf(handle));

    string ISimpleTypeProvider<string>.GetTypeFromReference(
        MetadataReader reader, TypeReferenceHandle handle, byte kind) =>
        Found(NameOf(handle));

    string ISignatureTypeProvider<string, object?>.GetTypeFromSpecification(
        MetadataReader reader, object? context, TypeSpecificationHandle handle, byte kind) =>
        reader.GetTypeSpecification(handle).DecodeSignature(this, context);

    string IConstructedTypeProvider<string>.GetPointerType(string elementType) =>
        _isOwnSignature ? Found("unsafe") : elementType;

    string ISignatureTypeProvider<string, object?>.GetFunctionPointerType(
        MethodSignature<string> signature) =>
        _isOwnSignature ? Found("unsafe") : "";

    string ISimpleTypeProvider<string>.GetPrimitiveType(PrimitiveTypeCode typeCode) => $"System.{typeCode}";

    string IConstructedTypeProvider<string>.GetArrayType(string elementType, ArrayShape shape) => elementType;

    string IConstructedTypeProvider<string>.GetByReferenceType(string elementType) => elementType;

    string IConstructedTypeProvider<string>.GetGenericInstantiation(
        string genericType, ImmutableArray<string> arguments) =>
        genericType;

    string ISZArrayTypeProvider<string>.GetSZArrayType(string elementType) => elementType;

    string ISignatureTypeProvider<string, object?>.GetGenericMethodParameter(object? context, int index) =>
        "";

    string ISignatureTypeProvider<string, object?>.GetGenericTypeParameter(object? context, int index) => "";

    string ISignatureTypeProvider<string, object?>.GetModifiedType(
        string modifier, string unmodified, bool isRequired) =>
        unmodified;

    /// <summary>A local variable of a `fixed` statement.</summary>
    string ISignatureTypeProvider<string, object?>.GetPinnedType(string elementType) => Found("unsafe");
}
