//go:build !unix

package app

func maxSockets() int { return manySockets }
