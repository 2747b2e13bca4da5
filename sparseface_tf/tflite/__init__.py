"""TFLite files as they are: the flatbuffer, how it stores sparse weights, and what is in one."""
