// Command hello is built by a test; it prints the version the linker gave it.
package main

import "fmt"

var version = "dev"

func main() { fmt.Println("version", version) }
