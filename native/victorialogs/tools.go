//go:build tools

// Package tools pins the programs that native/build.py builds from this module.
package tools

import _ "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs"
