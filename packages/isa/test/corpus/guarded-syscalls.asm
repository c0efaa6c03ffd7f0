; No C library at all: CPUID leaf 7, a bit test, and AVX2 only behind it.
bits 64
section .text
global _start
work:   vpxor ymm0, ymm0, ymm0
        vpaddd ymm1, ymm0, ymm0
        ret
_start: xor eax, eax
        cpuid
        cmp eax, 7
        jb .done
        mov eax, 7
        xor ecx, ecx
        cpuid
        bt ebx, 5
        jnc .done
        call work
.done:  xor edi, edi
        mov eax, 60
        syscall
        hlt
