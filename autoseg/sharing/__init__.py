"""How does a trained model travel as one file that its receiver can check, and that names no patient?"""
