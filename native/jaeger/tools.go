//go:build tools

// Package tools pins the programs that native/build.py builds from this module.
package tools

import _ "github.com/jaegertracing/jaeger/cmd/all-in-one"
