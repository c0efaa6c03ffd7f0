#include "textflag.h"

// func wide(p *[8]int32)
TEXT ·wide(SB), NOSPLIT, $0-8
	MOVQ p+0(FP), AX
	VMOVDQU (AX), Y0
	VPADDD Y0, Y0, Y0
	VMOVDQU Y0, (AX)
	VZEROUPPER
	RET

// func leaf7() (ebx uint32)
TEXT ·leaf7(SB), NOSPLIT, $0-4
	XORL AX, AX
	CPUID
	CMPL AX, $7
	JB none
	MOVL $7, AX
	XORL CX, CX
	CPUID
	MOVL BX, ebx+0(FP)
	RET
none:
	MOVL $0, ebx+0(FP)
	RET
