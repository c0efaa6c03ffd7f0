// Assembly that needs AVX2, called without a question.
package main

import "fmt"

func wide(p *[8]int32)
func leaf7() (ebx uint32)

func main() {
	data := [8]int32{1, 2, 3}
	wide(&data)
	fmt.Println(data, leaf7()&1)
}
