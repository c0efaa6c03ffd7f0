; The bytes behind HLT are data that looks like AVX2; nothing runs them.
bits 64
section .text
global _start
_start: test rsp, rsp
        jnz .go
        hlt
        times 16 db 0xc5, 0xfd, 0xef, 0xc0
.go:    xor edi, edi
        mov eax, 60
        syscall
        hlt
