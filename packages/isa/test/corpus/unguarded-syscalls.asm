; No C library at all: AVX2 behind a call, then HLT and data.
bits 64
section .text
global _start
work:   vpxor ymm0, ymm0, ymm0
        vpaddd ymm1, ymm0, ymm0
        ret
_start: call work
        xor edi, edi
        mov eax, 60
        syscall
        hlt
        dq 0x1122334455667788
