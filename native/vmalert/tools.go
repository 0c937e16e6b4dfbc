//go:build tools

// Package tools pins the programs that native/build.py builds from this module.
package tools

import _ "github.com/VictoriaMetrics/VictoriaMetrics/app/vmalert"
