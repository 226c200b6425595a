// Package manifest reads slipway.yaml.
//
// Parse turns YAML into a slipway.Manifest, or into Errors: every fault at once, each with file, line, column, the line itself, a
// message and a hint. Schema is the same table of keys as a JSON Schema, so an editor and Parse agree. Detect looks at an app's folder
// and guesses a first manifest, with a reason for each guess. Nothing here does I/O beyond the fs.FS that Detect is given.
//
// What slipway.yaml may hold is a plain subset of YAML 1.2: one document, no anchors, aliases, merge keys, tags or directives, at
// most 1 MiB. What is refused is refused with a position.
package manifest
