"""noiseband: did my change help, or is it noise?"""
