// Assembly that needs AVX2, called behind a question of the program's own.
package main

import "fmt"

func wide(p *[8]int32)
func leaf7() (ebx uint32)

var hasWide = leaf7()&(1<<5) != 0

func main() {
	data := [8]int32{1, 2, 3}
	if hasWide {
		wide(&data)
	}
	fmt.Println(data)
}
