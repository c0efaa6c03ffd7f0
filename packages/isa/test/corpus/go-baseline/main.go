// Nothing beyond GOAMD64, but for what Go's own library chooses.
package main

import (
	"crypto/sha256"
	"fmt"
)

func main() { fmt.Printf("%x\n", sha256.Sum256([]byte("corpus"))) }
