using System.Collections.Immutable;
using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace ConnMgr.Tests.Native;

/// <summary>
/// Reads from an assembly, without loading it, the memory layout of its structs on a machine with pointers of
/// 4 or 8 bytes, and its constants. So tests on this machine can check other machines.
/// </summary>
internal sealed class LayoutReader : ISignatureTypeProvider<LayoutReader.Layout, object?>, IDisposable
{
    private readonly PEReader _file;
    private readonly MetadataReader _metadata;
    private readonly string _path;
    private readonly int _pointerSize;
    private readonly LayoutReader? _others;

    /// <param name="path">The assembly.</param>
    /// <param name="pointerSize">
    /// In bytes. On 32-bit Arm, 64-bit Arm and x86-64, integers of 8 bytes are aligned to 8.
    /// </param>
    /// <param name="others">Readers of the assemblies that hold other structs.</param>
    public LayoutReader(string path, int pointerSize, LayoutReader? others = null)
    {
        _file = new PEReader([.. File.ReadAllBytes(path)]);
        _metadata = _file.GetMetadataReader();
        (_path, _pointerSize, _others) = (path, pointerSize, others);
    }

    /// <summary>The size and the field offsets, in bytes.</summary>
    internal sealed record Layout(int Size, int Alignment, IReadOnlyList<(string Name, int Offset)> Fields);

    public void Dispose() => _file.Dispose();

    /// <summary>Finds a struct by its name, without namespace and enclosing types.</summary>
    public Layout StructOf(string name)
    {
        foreach (TypeDefinitionHandle handle in _metadata.TypeDefinitions)
        {
            if (_metadata.GetString(_metadata.GetTypeDefinition(handle).Name) == name)
            {
                return LayoutOf(_metadata.GetTypeDefinition(handle));
            }
        }
        return _others?.StructOf(name) ?? throw new ArgumentException($"{_path} has no {name}");
    }

    /// <summary>
    /// The value of a static property whose getter returns a constant, or another such property.
    /// </summary>
    public long ConstantOf(string type, string property)
    {
        foreach (MethodDefinitionHandle handle in _metadata.MethodDefinitions)
        {
            MethodDefinition method = _metadata.GetMethodDefinition(handle);
            if (_metadata.GetString(method.Name) == "get_" + property
                && _metadata.GetString(_metadata.GetTypeDefinition(method.GetDeclaringType()).Name) == type)
            {
                return ConstantOf(method);
            }
        }
        throw new ArgumentException($"{_path} has no {property}");
    }

    private long ConstantOf(MethodDefinition method)
    {
        BlobReader code = _file.GetMethodBody(method.RelativeVirtualAddress).GetILReader();
        byte operation = code.ReadByte();
        return (ILOpCode)operation switch
        {
            >= ILOpCode.Ldc_i4_m1 and <= ILOpCode.Ldc_i4_8 => operation - (int)ILOpCode.Ldc_i4_0,
            ILOpCode.Ldc_i4_s => code.ReadSByte(),
            ILOpCode.Ldc_i4 => code.ReadInt32(),
            ILOpCode.Ldc_i8 => code.ReadInt64(),
            ILOpCode.Call => ConstantOf(_metadata.GetMethodDefinition(
                (MethodDefinitionHandle)System.Reflection.Metadata.Ecma335.MetadataTokens.EntityHandle(
                    code.ReadInt32()))),
            _ => throw new InvalidOperationException(
                $"{_metadata.GetString(method.Name)}: {(ILOpCode)operation}"),
        };
    }

    private Layout LayoutOf(TypeDefinition type)
    {
        int pack = type.GetLayout().PackingSize is var p and > 0 ? p : 8;
        int end = 0;
        int alignment = 1;
        List<(string, int)> fields = [];
        foreach (FieldDefinitionHandle handle in type.GetFields())
        {
            FieldDefinition field = _metadata.GetFieldDefinition(handle);
            if (field.Attributes.HasFlag(FieldAttributes.Static))
            {
                continue;
            }
            Layout layout = field.DecodeSignature(this, null);
            int aligned = Math.Min(pack, layout.Alignment);
            int at = field.GetOffset() >= 0 ? field.GetOffset() : (end + aligned - 1) / aligned * aligned;
            end = Math.Max(end, at + layout.Size);
            alignment = Math.Max(alignment, aligned);
            // An automatic property NAME is the field <NAME>k__BackingField.
            fields.Add((_metadata.GetString(field.Name).TrimStart('<').Split('>')[0], at));
        }
        int size = Math.Max(type.GetLayout().Size, (end + alignment - 1) / alignment * alignment);
        return new Layout(size, alignment, fields);
    }

    public Layout GetPrimitiveType(PrimitiveTypeCode typeCode)
    {
        int size = typeCode switch
        {
            PrimitiveTypeCode.Void => 0, // only as the target of a pointer
            PrimitiveTypeCode.Byte or PrimitiveTypeCode.SByte or PrimitiveTypeCode.Boolean => 1,
            PrimitiveTypeCode.Int16 or PrimitiveTypeCode.UInt16 or PrimitiveTypeCode.Char => 2,
            PrimitiveTypeCode.Int32 or PrimitiveTypeCode.UInt32 => 4,
            PrimitiveTypeCode.Int64 or PrimitiveTypeCode.UInt64 => 8,
            PrimitiveTypeCode.IntPtr or PrimitiveTypeCode.UIntPtr => _pointerSize,
            _ => throw new NotSupportedException($"{typeCode}"),
        };
        return new Layout(size, size, []);
    }

    public Layout GetPointerType(Layout elementType) => new(_pointerSize, _pointerSize, []);

    public Layout GetTypeFromDefinition(
        MetadataReader reader, TypeDefinitionHandle handle, byte rawTypeKind) =>
        LayoutOf(reader.GetTypeDefinition(handle));

    public Layout GetTypeFromReference(MetadataReader reader, TypeReferenceHandle handle, byte rawTypeKind) =>
        (_others ?? this).StructOf(reader.GetString(reader.GetTypeReference(handle).Name));

    public Layout GetModifiedType(Layout modifier, Layout unmodifiedType, bool isRequired) => unmodifiedType;

    public Layout GetArrayType(Layout elementType, ArrayShape shape) => throw new NotSupportedException();

    public Layout GetByReferenceType(Layout elementType) => throw new NotSupportedException();

    public Layout GetFunctionPointerType(MethodSignature<Layout> signature) =>
        new(_pointerSize, _pointerSize, []);

    public Layout GetGenericInstantiation(Layout genericType, ImmutableArray<Layout> typeArguments) =>
        throw new NotSupportedException();

    public Layout GetGenericMethodParameter(object? genericContext, int index) =>
        throw new NotSupportedException();

    public Layout GetGenericTypeParameter(object? genericContext, int index) =>
        throw new NotSupportedException();

    public Layout GetPinnedType(Layout elementType) => throw new NotSupportedException();

    public Layout GetSZArrayType(Layout elementType) => throw new NotSupportedException();

    public Layout GetTypeFromSpecification(
        MetadataReader reader, object? genericContext, TypeSpecificationHandle handle, byte rawTypeKind) =>
        throw new NotSupportedException();
}
