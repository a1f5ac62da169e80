"""Names the plugin; the configuration's ``protocols`` puts it in its place."""

from edgemesh_redis import Redis, RedisResolver

redis = Redis("redis", RedisResolver())
