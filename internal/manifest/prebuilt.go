package manifest

// checkPrebuilt refuses what makes no sense for an app that was built beforehand. Its output alone is shipped: the commands of verify
// would find no source to run on, and what a repository has is built by Vercel.
func (r *reader) checkPrebuilt(tree map[string]any) {
	source, _ := tree["source"].(map[string]any)
	if prebuilt, _ := source["prebuilt"].(bool); !prebuilt {
		return
	}
	at := func(path ...string) (position, []string) { return r.places[pathKey(path)].start(), path }
	if _, ok := source["github"]; ok {
		place, path := at("source", "prebuilt")
		r.refuse(place, path, "name the folder with the output in source.dir", "means nothing with github: Vercel builds a repository itself")
	}
	verify, _ := tree["verify"].(map[string]any)
	if commands, _ := verify["commands"].([]any); len(commands) > 0 {
		place, path := at("verify", "commands")
		r.refuse(place, path, "run them before you build, or leave out source.prebuilt", "cannot run with source.prebuilt: only the output is shipped, not the source that they check")
	}
	vercel, _ := tree["vercel"].(map[string]any)
	for _, name := range []string{"build_command", "install_command", "output_directory"} {
		if _, ok := vercel[name]; ok {
			place, path := at("vercel", name)
			r.refuse(place, path, "leave it out, or source.prebuilt", "means nothing with source.prebuilt: Vercel builds nothing")
		}
	}
}
