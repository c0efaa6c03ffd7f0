; The answer is reached through an address in a register, as in OpenSSL's code for fixed addresses.
bits 64
section .bss
answer: resd 4
section .text
global _start
ask:    mov eax, 7
        xor ecx, ecx
        cpuid
        mov [abs answer + 8], ebx
        ret
work:   mov eax, answer
        test byte [rax + 8], 0x20
        jz .narrow
        vpxor ymm0, ymm0, ymm0
        vpaddd ymm1, ymm0, ymm0
.narrow: ret
_start: call ask
        call work
        xor edi, edi
        mov eax, 60
        syscall
        hlt
