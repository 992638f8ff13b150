/** Machine code for x86_64. */
const x86: readonly number[] = [
  ...[0x48, 0x8d, 0x5c, 0x24, 0x28], // lea rbx, [rsp+40]: the environment, after three arguments
  ...[0x48, 0x8b, 0x3b], // next: mov rdi, [rbx]
  ...[0x48, 0x83, 0xc3, 0x08], // add rbx, 8
  ...[0x48, 0x85, 0xff], // test rdi, rdi
  ...[0x74, 0x4c], // je exit
  ...[0x81, 0x3f, 0x6f, 0x75, 0x74, 0x3d], // cmp dword [rdi], "out="
  ...[0x75, 0xec], // jne next
  ...[0x48, 0x83, 0xc7, 0x04], // add rdi, 4
  ...[0xbe, 0x41, 0x02, 0x00, 0x00], // mov esi, O_WRONLY | O_CREAT | O_TRUNC
  ...[0xba, 0xa4, 0x01, 0x00, 0x00], // mov edx, 0644
  ...[0xb8, 0x02, 0x00, 0x00, 0x00], // mov eax, open
  ...[0x0f, 0x05], // syscall
  ...[0x89, 0xc5], // mov ebp, eax
  ...[0xb8, 0x27, 0x00, 0x00, 0x00], // mov eax, getpid
  ...[0x0f, 0x05], // syscall
  ...[0x48, 0x8b, 0x74, 0x24, 0x10], // mov rsi, [rsp+16]: the first argument
  ...[0x83, 0xf8, 0x01], // cmp eax, 1
  ...[0x74, 0x05], // je over the next
  ...[0x48, 0x8b, 0x74, 0x24, 0x18], // mov rsi, [rsp+24]: the second
  ...[0x89, 0xef], // mov edi, ebp
  ...[0x31, 0xd2], // xor edx, edx
  ...[0x80, 0x3c, 0x16, 0x00], // count: cmp byte [rsi+rdx], 0
  ...[0x74, 0x04], // je write
  ...[0xff, 0xc2], // inc edx
  ...[0xeb, 0xf6], // jmp count
  ...[0xb8, 0x01, 0x00, 0x00, 0x00], // write: mov eax, write
  ...[0x0f, 0x05], // syscall
  ...[0x31, 0xff], // xor edi, edi
  ...[0xb8, 0x3c, 0x00, 0x00, 0x00], // exit: mov eax, exit
  ...[0x0f, 0x05], // syscall
];

const codes: Readonly<Record<string, readonly number[]>> = { 'x86_64-linux': x86, 'i686-linux': x86 };
const base = 0x400000;
const headBytes = 64 + 56;

/**
 * A program that needs nothing, for a store that may have nothing else a build could run: an ELF file that writes the first of its
 * two arguments to the file `$out` where it is process 1, and the second otherwise. `undefined` for systems without one.
 */
export function trialProgram(system: string): Uint8Array | undefined {
  const code = codes[system];
  if (code === undefined) return undefined;
  const size = headBytes + code.length;
  const file = Buffer.alloc(size);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELF, 64 bits, little-endian
  file.writeUInt16LE(2, 16); // executable
  file.writeUInt16LE(62, 18); // x86_64
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(base + headBytes), 24); // where it begins
  file.writeBigUInt64LE(64n, 32); // program headers
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56); // one of them
  file.writeUInt32LE(1, 64); // loaded
  file.writeUInt32LE(5, 68); // readable and executable
  file.writeBigUInt64LE(BigInt(base), 80);
  file.writeBigUInt64LE(BigInt(base), 88);
  file.writeBigUInt64LE(BigInt(size), 96);
  file.writeBigUInt64LE(BigInt(size), 104);
  file.writeBigUInt64LE(0x1000n, 112);
  file.set(code, headBytes);
  return file;
}
