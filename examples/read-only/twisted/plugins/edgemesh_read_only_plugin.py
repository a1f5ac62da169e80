"""Names the plugin; the configuration's ``handlers`` puts it in its place."""

from edgemesh_read_only import ReadOnly

readOnly = ReadOnly()
